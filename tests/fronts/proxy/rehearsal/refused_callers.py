"""Requests that are refused for who sends them, and the change that mends each: a table."""

from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.model.identity import Method
from tests.fronts.proxy.rehearsal.refused_row import VIEWER, NobodyKnown, Row
from tests.fronts.proxy.rehearsal.rehearsing import TOKENS_HEAD, a_caller, asking

CALLERS = {
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
        "authentication: {api_keys: {}, jwt: [{issuer: 'https://idp', audiences: [a],"
        " algorithms: [HS256], secret: 'file:pepper'}]}\n"
        "routes: [{path: /**, role: viewer, authenticate: [api_key]}]",
        asking("/", principal=a_caller("acme", "viewer", method=Method.JWT)),
        "authenticate",
        "add jwt to authenticate",
        "policy.yaml:7 routes[0].authenticate",
        head=TOKENS_HEAD,
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
}
