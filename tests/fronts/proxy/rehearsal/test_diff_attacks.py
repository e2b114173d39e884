"""Reloads that would let somebody in without being told: `sidecar diff` calls each a widening.

Each row is proven on the way: the runner refuses the request by the old policy, and admits or
answers it by the new one.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import pytest

from sidecar.decision.diff.compare import compare
from sidecar.decision.pipeline import build
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Stage
from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.model.identity import Principal
from sidecar.policy.loaded import Loaded
from tests.fronts.proxy.rehearsal.rehearsing import (
    HEAD,
    NOW,
    SECRET,
    TOKENS_HEAD,
    a_caller,
    a_text,
    a_token,
    asking,
)

ISSUER: Final = (
    "{issuer: 'https://idp', audiences: [a], algorithms: [HS256], secret: 'file:shared',"
    " unknown_tenants: accept, claims: {tenant: org, roles: roles}}"
)
OTHER: Final = ISSUER.replace("https://idp", "https://other")
INTROSPECTION: Final = (
    "introspection: {url: 'https://i', client_id: a, client_secret: 'file:shared'"
)


def bearing(token: str, /, target: str = "/a", **fields: str) -> Asked:
    return asking(target, fields={"Authorization": f"Bearer {token}", **fields})


def read(lines: Sequence[str]) -> Loaded:
    text = "\n".join(lines)
    head = TOKENS_HEAD if "authentication:" in text else HEAD
    return a_text(text, {"shared": SECRET}, head).loaded


def words(loaded: Loaded, requests: Sequence[Asked]) -> list[str]:
    """Play requests one after the other, and say what becomes of each."""
    careful = Careful(key_sets=key_sets_of(loaded.policy.authentication.jwt, NOW))
    known = assumed(loaded.policy, lambda: NOW, knows_all_tenants=True)
    stage = Stage(build(loaded.policy, known), careful, lambda: b"id")

    async def play() -> list[str]:
        return [(await stage.play(asked)).word for asked in requests]

    return asyncio.run(play())


PUBLIC: Final = "routes: [{path: /**, public: true}]"
ADMIN: Final = "routes: [{path: /**, role: admin}]"
ROLES: Final = "roles: [owner, admin, viewer]"
LISTED: Final = "https://shop.example"
TIERS: Final = "tiers: {anonymous: {limit: 9/min, by: address}, pro: {by: tenant, %s}}"
ONE_FORMAT: Final = "formats: [{kind: secret, prefix: sk}]"
EVIL: Final = "https://evil.example"


def preflight(origin: str, target: str = "/a") -> Asked:
    fields = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    return asking(target, "OPTIONS", fields)


def posting(body: bytes, kind: str, **fields: str) -> Asked:
    return asking("/a", "POST", {"Content-Type": kind, **fields}, body=body)


def as_caller(asked: Asked, principal: Principal | None = None) -> Asked:
    object.__setattr__(asked, "principal", principal or a_caller("acme", "admin"))
    return asked


def tokens(*keys: str) -> str:
    return f"authentication: {{{', '.join(keys)}}}"


def routes(*some: str) -> str:
    return f"routes: [{', '.join(f'{{{one}}}' for one in some)}]"


ATTACKS: Final = {
    # Beside another credential, what nobody knows any more is no second one.
    "API keys are gone": (
        [tokens("api_keys: {}", f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [bearing(a_token(), **{"X-API-Key": "sk_x"})],
    ),
    "the field of API keys is gone": (
        [tokens("api_keys: {}", f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [tokens("api_keys: {header: null}", f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [bearing(a_token(), **{"X-API-Key": "sk_x"})],
    ),
    "the query of API keys is gone": (
        [tokens("api_keys: {query: key}", f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [tokens("api_keys: {}", f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [bearing(a_token(), "/a?key=sk_x")],
    ),
    "a format of keys is gone": (
        [tokens("api_keys: {}", f"jwt: [{ISSUER}]", "cookie: s"), ROLES, ADMIN],
        [tokens(f"api_keys: {{{ONE_FORMAT}}}", f"jwt: [{ISSUER}]", "cookie: s"), ROLES, ADMIN],
        [bearing("pk_x", Cookie=f"s={a_token()}")],
    ),
    "the cookie is gone": (
        [tokens(f"jwt: [{ISSUER}]", "cookie: s"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [bearing(a_token(), Cookie="s=x")],
    ),
    "an issuer is gone": (
        [tokens(f"jwt: [{ISSUER}, {OTHER}]", "cookie: s"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]", "cookie: s"), ROLES, ADMIN],
        [bearing(a_token("https://other"), Cookie=f"s={a_token()}")],
    ),
    "introspection is gone": (
        [tokens(f"jwt: [{ISSUER}]", "cookie: s", f"{INTROSPECTION}, prefix: op}}"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]", "cookie: s"), ROLES, ADMIN],
        [bearing("op_x", Cookie=f"s={a_token()}")],
    ),
    "introspection has a prefix": (
        [tokens(f"jwt: [{ISSUER}]", "cookie: s", f"{INTROSPECTION}}}"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]", "cookie: s", f"{INTROSPECTION}, prefix: op}}"), ROLES, ADMIN],
        [bearing("x", Cookie=f"s={a_token()}")],
    ),
    # What the request names picks one of several tenants.
    "the path names the tenant": (
        [tokens(f"jwt: [{ISSUER}]"), ROLES, "routes: [{path: '/o/{id}', role: admin}]"],
        [tokens(f"jwt: [{ISSUER}]"), ROLES, "routes: [{path: '/o/{tenant}', role: admin}]"],
        [bearing(a_token(org=["acme", "globex"]), "/o/acme")],
    ),
    "the query names the tenant": (
        [tokens(f"jwt: [{ISSUER}]"), ROLES, ADMIN],
        [tokens(f"jwt: [{ISSUER}]"), ROLES,
         "routes: [{path: /**, role: admin, bind: {query: {org: tenant}}}]"],
        [bearing(a_token(org=["acme", "globex"]), "/o?org=acme")],
    ),
    "the path names the tenant beside the query": (
        [tokens(f"jwt: [{ISSUER}]"), ROLES,
         "routes: [{path: '/o/{id}', role: admin, bind: {query: {org: tenant}}}]"],
        [tokens(f"jwt: [{ISSUER}]"), ROLES,
         "routes: [{path: '/o/{tenant}', role: admin, bind: {query: {org: tenant}}}]"],
        [bearing(a_token(org=["acme", "globex"]), "/o/acme")],
    ),
    # Pages of other origins.
    "a tenant is known, if suspended": (
        ["cors: {}", ROLES, "routes: [{path: '/o/{tenant}', role: admin, methods: [PUT]}]"],
        ["cors: {}", ROLES, f"tenants: {{acme: {{status: suspended, origins: ['{EVIL}']}}}}",
         "routes: [{path: '/o/{tenant}', role: admin, methods: [PUT]}]"],
        [preflight(EVIL, "/o/acme")],
    ),
    "the path names a tenant, whose pages count": (
        ["cors: {}", ROLES, f"tenants: {{acme: {{origins: ['{EVIL}']}}}}",
         "routes: [{path: '/o/{id}', role: admin}]"],
        ["cors: {}", ROLES, f"tenants: {{acme: {{origins: ['{EVIL}']}}}}",
         "routes: [{path: '/o/{tenant}', role: admin}]"],
        [preflight(EVIL, "/o/acme")],
    ),
    "preflights are judged no more": (
        [f"cors: {{origins: ['{LISTED}']}}", PUBLIC], [PUBLIC], [preflight(EVIL)],
    ),
    "preflights of a route are judged no more": (
        [f"cors: {{origins: ['{LISTED}']}}", PUBLIC],
        [f"cors: {{origins: ['{LISTED}']}}", "routes: [{path: /**, public: true, cors: false}]"],
        [preflight(EVIL)],
    ),
    "the route that judged preflights is gone": (
        [f"cors: {{origins: ['{LISTED}']}}",
         routes(
             "path: /a, public: true, methods: [PUT]",
             "path: /a, public: true, methods: [OPTIONS], cors: false",
         )],
        ["routes: [{path: /a, public: true, methods: [OPTIONS]}]"],
        [preflight(EVIL)],
    ),
    "keys that are locked to domains are used by their pages": (
        ["cors: {enforce: true}", ROLES,
         tokens("api_keys: {domain_lock: {kinds: []}}"),
         "tenants: {acme: {projects: {web: {domains: [evil.example]}}}}", ADMIN],
        ["cors: {enforce: true}", ROLES, tokens("api_keys: {}"),
         "tenants: {acme: {projects: {web: {domains: [evil.example]}}}}", ADMIN],
        [as_caller(
            asking("/a", "PUT", {"Origin": EVIL}),
            a_caller("acme", "admin", kind="publishable", project="web"),
        )],
    ),
    # A public route that asks who calls.
    "callers have other limits than everybody": (
        ["tiers: {anonymous: {limit: 1/min, by: address}, pro: {limit: 9/min, by: address}}",
         "tenants: {acme: {tier: pro}}", ROLES, PUBLIC],
        ["tiers: {anonymous: {limit: 1/min, by: address}, pro: {limit: 9/min, by: address}}",
         "tenants: {acme: {tier: pro}}", ROLES, ADMIN],
        [as_caller(asking("/a")), as_caller(asking("/a"))],
    ),
    "callers with a token pass csrf": (
        [tokens(f"jwt: [{ISSUER}]"), ROLES, "csrf: all", PUBLIC],
        [tokens(f"jwt: [{ISSUER}]"), ROLES, "csrf: all", ADMIN],
        [asking("/a", "POST", {"Authorization": f"Bearer {a_token()}", "Origin": EVIL})],
    ),
    "the pages of a caller's tenant count": (
        ["cors: {enforce: true}", f"tenants: {{acme: {{origins: ['{EVIL}']}}}}", ROLES, PUBLIC],
        ["cors: {enforce: true}", f"tenants: {{acme: {{origins: ['{EVIL}']}}}}", ROLES, ADMIN],
        [as_caller(asking("/a", "PUT", {"Origin": EVIL}))],
    ),
    # Bodies that no rule could read are refused.
    "forms are read as well": (
        ["routes: [{path: /**, public: true, forbid: {json: [x]}}]"],
        ["routes: [{path: /**, public: true, forbid: {json: [x], form: [x]}}]"],
        [posting(b"a=1", "application/x-www-form-urlencoded")],
    ),
    "JSON is read as well": (
        ["routes: [{path: /**, public: true, forbid: {form: [x]}}]"],
        ["routes: [{path: /**, public: true, forbid: {json: [x], form: [x]}}]"],
        [posting(b"{}", "application/json")],
    ),
    "JSON may be deeper than by default": (
        ["routes: [{path: /**, public: true, forbid: {json: [x]}}]"],
        ["body: {json: {depth: 64}}", "routes: [{path: /**, public: true, forbid: {json: [x]}}]"],
        [posting(b"[" * 40 + b"]" * 40, "application/json")],
    ),
    # Limits.
    "a tenant loses its own rate, which was lower": (
        [TIERS % "limit: 9/min, custom_max: 10/min", ROLES,
         "tenants: {acme: {tier: pro, attributes: {rate_limit: 1/min}}}", ADMIN],
        [TIERS % "limit: 9/min", ROLES,
         "tenants: {acme: {tier: pro, attributes: {rate_limit: 1/min}}}", ADMIN],
        [as_caller(asking("/a")), as_caller(asking("/a"))],
    ),
    "a tenant's own rate is bounded by one that admits more at once": (
        [TIERS % "limit: 1/min, custom_max: 600/min", ROLES,
         "tenants: {acme: {tier: pro, attributes: {rate_limit: 1/100ms}}}", ADMIN],
        [TIERS % "limit: 1/min, custom_max: 500/min", ROLES,
         "tenants: {acme: {tier: pro, attributes: {rate_limit: 1/100ms}}}", ADMIN],
        [as_caller(asking("/a")), as_caller(asking("/a"))],
    ),
    "what was counted under one name has two": (
        ["tiers: {anonymous: {limit: 1/min, by: [address, route]}}",
         routes(
             "path: '/a/{id}', public: true, methods: [GET]",
             "path: '/a/{id}', public: true, methods: [POST]",
         )],
        ["tiers: {anonymous: {limit: 1/min, by: [address, route]}}",
         routes(
             "path: '/a/{id}', public: true, methods: [GET]",
             "path: '/a/{x}', public: true, methods: [POST]",
         )],
        [asking("/a/1"), asking("/a/1", "POST")],
    ),
    # Which route it is.
    "in shadow mode a method that no route lists has the rules of the first": (
        ["mode: shadow", ROLES,
         routes(
             "path: /a, methods: [GET], role: admin, mode: enforce",
             "path: /a, methods: [POST], public: true",
         )],
        ["mode: shadow", ROLES,
         routes(
             "path: /a, methods: [POST], public: true",
             "path: /a, methods: [GET], role: admin, mode: enforce",
         )],
        [asking("/a", "DELETE")],
    ),
    "another spelling of a letter whose capital has two": (
        ["routes: [{path: /straße, public: true}, {path: /**, public: true}]"],
        [PUBLIC],
        [asking("/Stra%C3%9Fe")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_lets_somebody_in_is_told(name: str) -> None:
    old, new, requests = ATTACKS[name]
    before, after = read(old), read(new)
    was, now = words(before, requests)[-1], words(after, requests)[-1]
    assert was == "refuse"
    assert now in {"admit", "answer"}
    assert compare(before, after).widens
