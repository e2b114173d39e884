"""Refused requests, and the change that mends each: a table."""

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.model.identity import Method
from sidecar.model.ports import Answers
from sidecar.model.questions import Question
from tests.fronts.proxy.rehearsal.rehearsing import HEAD, TOKENS_HEAD, a_caller, asking

VIEWER = a_caller("acme", "viewer")


class NobodyKnown(Answers):
    """A store that holds nothing."""

    async def find(self, question: Question) -> object:
        """Find nothing."""
        del question
        return None

    def find_soon(self, question: Question, then: Callable[[object], None]) -> bool:
        """Have whoever asks wait."""
        del question, then
        return False


@dataclass(frozen=True, slots=True)
class Row:
    """A policy, a request that it refuses, and the change that is named first.

    Attributes:
        policy: the rest of the policy.
        asked: the request.
        step: step that refuses.
        mend: words that the change must hold.
        where: the key that it changes, with its line; empty for a change of the request.
        is_enough: whether the request is then admitted.
        answers: what is known beside the policy; None for nothing.
        head: what the policy begins with.
    """

    policy: str
    asked: Asked
    step: str
    mend: str
    where: str = ""
    is_enough: bool = True
    answers: Careful | None = None
    head: str = HEAD


ROWS = {
    "a path with two readings": Row(
        "routes: [{path: /**, public: true}]", asking("/a//b/../c"), "path", "such as /a/c"
    ),
    "a path that climbs out of where it began": Row(
        "routes: [{path: /pub/**, public: true}, {path: /open, public: true}]",
        asking("/pub/%2e%2e/open?a=b"),
        "path",
        "such as /open",
    ),
    "a path with a parameter": Row(
        "routes: [{path: /**, public: true}]", asking("/a;v=1/b/"), "path", "such as /a/b/"
    ),
    "a path with a byte that must be escaped": Row(
        "routes: [{path: /**, public: true}]", asking("/a/{b}"), "path", "such as /a/%7Bb%7D"
    ),
    "a path that is doubly encoded": Row(
        "routes: [{path: /**, public: true}]",
        asking("/a/%252e"),
        "path",
        "with one reading: doubly encoded",
        is_enough=False,
    ),
    "a path that is no text": Row(
        "routes: [{path: /**, public: true}]",
        asking("/a/%ff"),
        "path",
        "with one reading: the path is not UTF-8",
        is_enough=False,
    ),
    "a path with a control character": Row(
        "routes: [{path: /**, public: true}]",
        asking("/a/%0a"),
        "path",
        "with one reading: control character",
        is_enough=False,
    ),
    "a path of the sidecar": Row(
        "routes: [{path: /**, public: true}]",
        asking("/.sidecar/x"),
        "path",
        "with one reading: reserved path",
        is_enough=False,
    ),
    "an encoded slash": Row(
        "routes: [{path: '/f/{name}', public: true}]",
        asking("/f/a%2Fb"),
        "path",
        "allow_encoded_slash: true",
        "policy.yaml:7 routes[0].allow_encoded_slash",
    ),
    "a method that is not listed": Row(
        "routes:\n  - path: /x\n    public: true\n    methods: [GET]",
        asking("/x", "POST"),
        "route",
        "methods of this route: GET, HEAD; add POST",
        "policy.yaml:10 routes[0].methods",
    ),
    "a method that two routes of one path do not list": Row(
        "routes:\n"
        "  - {path: /x, public: true, methods: [GET]}\n"
        "  - {path: '/{name}', public: true}\n"
        "  - {path: /x, role: viewer, methods: [PUT]}",
        asking("/x", "POST"),
        "route",
        "methods of this route: GET, HEAD, PUT; add POST to those of routes[2]",
        "policy.yaml:10 routes[2].methods",
        is_enough=False,
    ),
    "a path in another case": Row(
        "routes: [{path: /Orders, public: true, forbid: {query: [db]}}]",
        asking("/orders?page=2"),
        "route",
        "case matters",
    ),
    "a path that is a template of all": Row(
        "routes: [{path: /x, public: true}]",
        asking("/**"),
        "route",
        "none can be for this path alone",
        is_enough=False,
    ),
    "a path that is a template of one segment": Row(
        "routes: [{path: /x, public: true}]",
        asking("/a/%7Bb%7D/*"),
        "route",
        "none can be for this path alone",
        is_enough=False,
    ),
    "a path that needs escapes": Row(
        "routes: [{path: /x, public: true}]",
        asking("/caf%C3%A9"),
        "route",
        "add one for /caf\u00e9",
        "policy.yaml:7 routes",
    ),
    "a path that no route has": Row(
        "routes: [{path: /x, public: true}]",
        asking("/y"),
        "route",
        "add one for /y",
        "policy.yaml:7 routes",
    ),
    "an origin": Row(
        "cors: {origins: ['https://a.example'], enforce: true}\n"
        "routes: [{path: /**, public: true}]",
        asking("/", "DELETE", {"Origin": "https://x.example"}),
        "origin",
        "add https://x.example to cors.origins",
        "policy.yaml:7 cors.origins",
    ),
    "an origin that would be all of them": Row(
        "cors: {origins: ['https://a.example'], enforce: true}\n"
        "routes: [{path: /**, public: true}]",
        asking("/", "DELETE", {"Origin": "*"}),
        "origin",
        "send one Origin that a list can have",
        is_enough=False,
    ),
    "a preflight from an origin that would be all of them": Row(
        "cors: {origins: ['https://a.example']}\nroutes: [{path: /**, public: true}]",
        asking("/", "OPTIONS", {"Origin": "*", "Access-Control-Request-Method": "GET"}),
        "preflight",
        "send one Origin that a list can have",
        is_enough=False,
    ),
    "a preflight for all fields": Row(
        "cors: {origins: ['https://a.example'], request_headers: [Range]}\n"
        "routes: [{path: /**, public: true}]",
        asking(
            "/",
            "OPTIONS",
            {
                "Origin": "https://a.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "*",
            },
        ),
        "preflight",
        "ask for fields by their names",
        is_enough=False,
    ),
    "a preflight for a method that is none": Row(
        "cors: {origins: ['https://a.example']}\nroutes: [{path: /**, public: true}]",
        asking(
            "/",
            "OPTIONS",
            {"Origin": "https://a.example", "Access-Control-Request-Method": "get"},
        ),
        "preflight",
        "mend the preflight: no single method",
        is_enough=False,
    ),
    "a preflight from an origin": Row(
        "cors: {origins: ['https://a.example']}\nroutes: [{path: /**, public: true}]",
        asking(
            "/",
            "OPTIONS",
            {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"},
        ),
        "preflight",
        "add https://x.example to cors.origins",
        "policy.yaml:7 cors.origins",
    ),
    "a preflight for a method": Row(
        "cors: {origins: ['https://a.example'], methods: [GET]}\n"
        "routes: [{path: /**, public: true}]",
        asking(
            "/",
            "OPTIONS",
            {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"},
        ),
        "preflight",
        "add PUT to cors.methods",
        "policy.yaml:7 cors.methods",
    ),
    "a preflight for a field": Row(
        "cors: {origins: ['https://a.example'], request_headers: [Range]}\n"
        "routes: [{path: /**, public: true}]",
        asking(
            "/",
            "OPTIONS",
            {
                "Origin": "https://a.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-mine",
            },
        ),
        "preflight",
        "list x-mine in cors.request_headers",
        "policy.yaml:7 cors.request_headers",
    ),
    "a forbidden parameter": Row(
        "routes: [{path: /**, public: true, forbid: {query: [db]}}]",
        asking("/a?db=7&page=2"),
        "forbidden",
        "leave the parameter out",
    ),
    "a query with two readings": Row(
        "routes: [{path: /**, public: true, forbid: {query: [db]}}]",
        asking("/a?d%zz=7"),
        "forbidden",
        "a query with one reading",
        is_enough=False,
    ),
    "a large body": Row(
        "body: {max: 10B}\nroutes: [{path: /**, public: true}]",
        asking("/", "POST", body=b"x" * 5_300_000),
        "declared_body",
        "body of 5300KB above body.max 10B",
        "policy.yaml:7 body.max",
    ),
    "a large body of a route": Row(
        "routes: [{path: /**, public: true, body: {max: 10B}}]",
        asking("/", "POST", {"Transfer-Encoding": "chunked"}, body=b"x" * 20),
        "declared_body",
        "raise it",
        "policy.yaml:7 routes[0].body.max",
    ),
    "a content type": Row(
        "routes: [{path: /**, public: true, body: {content_types: [text/*, application/json]}}]",
        asking("/", "POST", {"Content-Type": "a/b"}, body=b"{}"),
        "declared_body",
        "send Content-Type: application/json",
    ),
    "gRPC": Row(
        "routes: [{path: /**, public: true}]",
        asking("/", "POST", {"Content-Type": "application/grpc"}, body=b"{}"),
        "declared_body",
        "another content type",
        is_enough=False,
    ),
    "an address that is not allowed": Row(
        "routes: [{path: /**, public: true, addresses: {allow: [192.0.2.0/24]}}]",
        asking("/", peer="198.51.100.7"),
        "addresses",
        "add 198.51.100.7 to addresses.allow",
        "policy.yaml:7 routes[0].addresses.allow",
    ),
    "an address that is denied": Row(
        "routes: [{path: /**, public: true, addresses: {deny: [198.51.100.0/24]}}]",
        asking("/", peer="198.51.100.7"),
        "addresses",
        "take 198.51.100.0/24 out",
        "policy.yaml:7 routes[0].addresses.deny",
    ),
    "no credential": Row(
        "permissions: {orders: {read: developer}}\n"
        "routes: [{path: '/t/{tenant}/o', permission: orders.read, scopes: [a:read]}]",
        asking("/t/acme/o"),
        "authenticate",
        "send X-API-Key with a key of kind secret of tenant acme, role developer or higher, scopes"
        " a:read",
    ),
    "a bad credential": Row(
        "routes: [{path: /**, role: viewer}]",
        asking("/", fields={"X-API-Key": "nonsense"}),
        "authenticate",
        "the credential is not good (malformed key): send X-API-Key",
    ),
    "two credentials": Row(
        "routes: [{path: /**, role: viewer}]",
        asking("/", fields={"X-API-Key": "sk_a", "Authorization": "Bearer sk_b"}),
        "authenticate",
        "one credential, not two",
    ),
    "a method that is not accepted": Row(
        "routes: [{path: /**, role: viewer, authenticate: [api_key]}]",
        asking("/", principal=a_caller("acme", "viewer", method=Method.JWT)),
        "authenticate",
        "add jwt to authenticate",
        "policy.yaml:7 routes[0].authenticate",
    ),
    "an unknown tenant": Row(
        "routes: [{path: /**, role: viewer}]\ntenants: {}",
        asking("/", principal=a_caller("nova", "viewer", accepts_unknown_tenant=False)),
        "tenant",
        "sidecar tenants create nova",
        "policy.yaml:8 tenants.nova",
        answers=Careful(NobodyKnown()),
    ),
    "no credential, for a tenant that is nobody's": Row(
        "routes: [{path: '/t/{tenant}', role: viewer}]",
        asking("/t/nova"),
        "authenticate",
        "of tenant nova, role viewer",
        is_enough=False,
        answers=Careful(NobodyKnown()),
    ),
    "no credential, where tokens need no record of a tenant": Row(
        "authentication: {jwt: [{issuer: 'https://idp', audiences: [a], algorithms: [HS256],"
        " secret: 'file:pepper', unknown_tenants: accept}]}\n"
        "routes: [{path: '/t/{tenant}', scopes: [a]}]",
        asking("/t/nova"),
        "authenticate",
        "a token of tenant nova",
        answers=Careful(NobodyKnown()),
        head=TOKENS_HEAD,
    ),
    "a tenant of others that is nobody's": Row(
        "routes: [{path: '/t/{tenant}', role: viewer}]\ntenants: {acme: {}}",
        asking("/t/nova", principal=a_caller("acme", "viewer", accepts_unknown_tenant=False)),
        "tenant_binding",
        "send a credential of tenant nova",
        is_enough=False,
        answers=Careful(NobodyKnown()),
    ),
    "a suspended tenant": Row(
        "routes: [{path: /**, role: viewer}]\ntenants: {acme: {status: suspended}}",
        asking("/", principal=VIEWER),
        "tenant",
        "tenants.acme.status: active",
        "policy.yaml:8 tenants.acme.status",
    ),
    "a login method": Row(
        "routes: [{path: /**, role: viewer}]\ntenants: {acme: {logins: [sso]}}",
        asking("/", principal=VIEWER),
        "tenant",
        "add api_key to its logins",
        "policy.yaml:8 tenants.acme.logins",
    ),
    "a role": Row(
        "routes: [{path: /**, role: developer}]",
        asking("/", principal=VIEWER),
        "authorize",
        "send a key with role developer or higher (has viewer)",
    ),
    "a permission that only one role has": Row(
        "permissions: {orders: {read: [viewer], write: [developer]}}\n"
        "routes: [{path: /**, permission: orders.write}]",
        asking("/", principal=a_caller("acme", "owner")),
        "authorize",
        "with role developer (has owner)",
    ),
    "a scope": Row(
        "routes: [{path: /**, scopes: [a:read, a:write]}]",
        asking("/", principal=a_caller("acme", scopes=frozenset({"a:read"}))),
        "authorize",
        "with the scopes a:write",
    ),
    "a kind of key": Row(
        "routes: [{path: /**, role: viewer, key_kinds: [publishable]}]\n"
        "tenants: {acme: {projects: {web: {domains: [a.example]}}}}",
        asking(
            "/",
            fields={"Origin": "https://a.example"},
            principal=a_caller("acme", "viewer", project="web"),
        ),
        "authorize",
        "send a key of kind publishable",
    ),
    "a login that a permission wants": Row(
        "permissions: {orders: {write: {minimum: viewer, logins: [sso]}}}\n"
        "routes: [{path: /**, permission: orders.write}]",
        asking("/", principal=VIEWER),
        "authorize",
        "log in by sso",
    ),
    "a read-only key": Row(
        "routes: [{path: /**, role: viewer}]",
        asking("/", "DELETE", principal=a_caller("acme", "viewer", is_read_only=True)),
        "authorize",
        "a key that is not read-only",
    ),
    "a tenant of others": Row(
        "routes: [{path: '/t/{tenant}', role: viewer}]",
        asking("/t/other", principal=VIEWER),
        "tenant_binding",
        "send a credential of tenant other, or name acme in the request",
    ),
    "no credential, for a tenant of the query": Row(
        "routes: [{path: /t, role: viewer, bind: {query: {org: tenant}}}]",
        asking("/t?org=other"),
        "authenticate",
        "of the tenant that the request names, role viewer",
    ),
    "a tenant of others in the query": Row(
        "routes: [{path: /t, role: viewer, bind: {query: {org: tenant}}}]",
        asking("/t?org=other", principal=VIEWER),
        "tenant_binding",
        "send a credential of the tenant that the request names, or name acme",
    ),
    "a project of others in the query": Row(
        "routes: [{path: /p, role: viewer, bind: {query: {p: project}}}]\n"
        "tenants: {acme: {projects: {web: {}, app: {}}}}",
        asking("/p?p=app", principal=a_caller("acme", "viewer", project="web")),
        "tenant_binding",
        "send a credential of the project that the request names",
    ),
    "a project of others": Row(
        "routes: [{path: '/p/{project}', role: viewer}]\n"
        "tenants: {acme: {projects: {web: {}, app: {}}}}",
        asking("/p/app", principal=a_caller("acme", "viewer", project="web")),
        "tenant_binding",
        "send a credential of project app",
    ),
    "a project that is not there": Row(
        "routes: [{path: '/p/{project}', role: viewer}]\ntenants: {acme: {projects: {web: {}}}}",
        asking("/p/app", principal=VIEWER),
        "tenant_binding",
        "add the project: tenants.acme.projects.app",
        "policy.yaml:8 tenants.acme.projects.app",
    ),
    "a domain": Row(
        "routes: [{path: /**, role: viewer}]\n"
        "tenants: {acme: {projects: {web: {domains: ['*.b.example', a.example]}}}}",
        asking("/", principal=a_caller("acme", "viewer", project="web", kind="publishable")),
        "domain_lock",
        "Origin: https://a.example",
    ),
    "a domain that could be registered": Row(
        "routes: [{path: /**, role: viewer}]\ntenants: {acme: {projects: {web: {}}}}",
        asking(
            "/",
            fields={"Referer": "https://new.example:444/x"},
            principal=a_caller("acme", "viewer", project="web", kind="publishable"),
        ),
        "domain_lock",
        "add new.example to tenants.acme.projects.web.domains",
        "policy.yaml:8 tenants.acme.projects.web.domains",
    ),
    "a key without a project": Row(
        "routes: [{path: /**, role: viewer}]",
        asking("/", principal=a_caller("acme", "viewer", kind="publishable")),
        "domain_lock",
        "a key of a project",
        is_enough=False,
    ),
    "a condition": Row(
        "routes: [{path: /**, condition: \"request.method == 'PUT'\"}]",
        asking("/", principal=VIEWER),
        "condition",
        "request.method == 'PUT'",
        is_enough=False,
    ),
    "another site": Row(
        "csrf: ambient\nroutes: [{path: /**, public: true}]",
        asking("/", "POST", {"Cookie": "s=1", "Origin": "https://x.example"}),
        "csrf",
        "add https://x.example to csrf.origins",
        "policy.yaml:7 csrf.origins",
    ),
    "a write that does not say where from": Row(
        "csrf: {applies_to: ambient, missing: refuse}\nroutes: [{path: /**, public: true}]",
        asking("/", "POST", {"Cookie": "s=1"}),
        "csrf",
        "Origin: http://localhost",
    ),
    "an unsigned delivery": Row(
        "routes: [{path: /**, public: true, webhook: {scheme: github, secret: 'file:pepper'}}]",
        asking("/", "POST", body=b"{}"),
        "webhook_signature",
        "sign the delivery anew",
        is_enough=False,
    ),
    "a body against its schema": Row(
        "routes: [{path: /**, public: true, body: {schema: s.json}}]",
        asking("/", "POST", {"Content-Type": "application/json"}, body=b'{"a": "secret"}'),
        "body_rules",
        "mend the body at /a",
        is_enough=False,
    ),
    "a body with a forbidden member": Row(
        "routes: [{path: /**, public: true, forbid: {json: [db]}}]",
        asking("/", "POST", {"Content-Type": "application/json"}, body=b'{"db": 1}'),
        "body_rules",
        "the body has a member db",
        is_enough=False,
    ),
    "a batch with too many items": Row(
        "routes: [{path: /**, public: true, body: {items: 2}}]",
        asking("/", "POST", {"Content-Type": "application/json"}, body=b"[1, 2, 3]"),
        "body_rules",
        "send 2 items at most",
        is_enough=False,
    ),
    "a tool": Row(
        "routes: [{path: /mcp, role: viewer, mcp: {tools: {viewer: [search]}}}]",
        asking(
            "/mcp",
            "POST",
            {"Content-Type": "application/json"},
            principal=VIEWER,
            body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"}}',
        ),
        "mcp",
        "add drop to routes.0.mcp.tools.viewer",
        "policy.yaml:7 routes[0].mcp.tools.viewer",
    ),
    "a tool that would be all of them": Row(
        "routes: [{path: /mcp, role: viewer, mcp: {tools: {viewer: [search]}}}]",
        asking(
            "/mcp",
            "POST",
            {"Content-Type": "application/json"},
            principal=VIEWER,
            body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"*"}}',
        ),
        "mcp",
        "call a tool by its name",
        is_enough=False,
    ),
    "a message that is none": Row(
        "routes: [{path: /mcp, role: viewer, mcp: {}}]",
        asking("/mcp", "PUT", principal=VIEWER),
        "mcp",
        "mend the message",
        is_enough=False,
    ),
    "a long request line": Row(
        "routes: [{path: /**, public: true}]",
        asking("/" + "a" * 9000),
        "framing",
        "shorten the request line",
        "policy.yaml:4 listen.limits.start_line",
    ),
    "too many fields": Row(
        "routes: [{path: /**, public: true}]",
        asking("/", fields={f"X-{at}": "1" for at in range(200)}),
        "framing",
        "raise listen.limits.fields",
        "policy.yaml:4 listen.limits.fields",
    ),
    "a large head": Row(
        "routes: [{path: /**, public: true}]",
        asking("/", fields={f"X-{at}": "1" * 4000 for at in range(20)}),
        "framing",
        "raise listen.limits.head",
        "policy.yaml:4 listen.limits.head",
    ),
    "a framing with two readings": Row(
        "routes: [{path: /**, public: true}]",
        asking("/", "POST", {"Content-Length": "2", "Transfer-Encoding": "chunked"}, body=b"ab"),
        "framing",
        "Content-Length beside Transfer-Encoding",
        is_enough=False,
    ),
}
