"""Refused requests, and the change that mends each: a table."""

from tests.fronts.proxy.rehearsal.refused_callers import CALLERS
from tests.fronts.proxy.rehearsal.refused_row import VIEWER, Row
from tests.fronts.proxy.rehearsal.rehearsing import asking

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
    **CALLERS,
}
