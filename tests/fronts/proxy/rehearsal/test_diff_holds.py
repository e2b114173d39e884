"""The oracle of `sidecar diff`: where it sees no widening, nothing that was refused is admitted."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

from sidecar.decision.diff.compare import compare
from sidecar.decision.pipeline import build
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Played, Stage
from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.model.errors import PolicyError
from sidecar.model.identity import Principal
from sidecar.policy.loaded import Loaded
from tests.fronts.proxy.rehearsal.rehearsing import (
    NOW,
    SECRET,
    TOKENS_HEAD,
    a_caller,
    a_text,
    a_token,
)

PAIRS: Final = 40
REQUESTS: Final = 30
TIMES: Final = 3
"""How often each request is played where anything is counted."""
UNUSUAL: Final = 0.35
"""How likely a section has not its first value."""
ISSUER: Final = (
    "{issuer: 'https://%s', audiences: [a], algorithms: [HS256], secret: 'file:shared',"
    " unknown_tenants: accept, claims: {tenant: org, roles: roles}}"
)
IDP: Final = ISSUER % "idp"
OTHER: Final = ISSUER % "other"
SECTIONS: Final = {
    "authentication": [
        "{api_keys: {}}",
        f"{{api_keys: {{}}, jwt: [{IDP}], cookie: s}}",
        f"{{api_keys: {{}}, jwt: [{IDP}, {OTHER}], cookie: s}}",
        f"{{jwt: [{IDP}], cookie: s}}",
        f"{{api_keys: {{header: null, query: key}}, jwt: [{IDP}]}}",
        f"{{api_keys: {{bearer: false, domain_lock: {{kinds: []}}}}, jwt: [{IDP}]}}",
    ],
    "roles": [
        "[owner, admin, viewer]", "[owner, viewer, admin]", "[none, owner, admin, viewer]",
        "[owner, admin, viewer, none]", "[admin, viewer]",
    ],
    "permissions": [
        "{order: {read: viewer, write: admin}}",
        "{order: {read: viewer, write: viewer}}",
        "{order: {read: [viewer, owner], write: {minimum: admin, logins: [sso]}}}",
    ],
    "mode": ["enforce"] * 9 + ["shadow"],
    "body": [
        "{}", "{max: 1KB}", "{max: 1B}", "{content_types: [application/json]}", "{json: {}}",
        "{json: {depth: 40}}", "{json: {depth: 2}}", "{form: {}, json: {}}", "{items: 1}",
        "{schema: {type: object}}", "{schema: {type: object}, required: false}",
    ],
    "csrf": ["null", "ambient", "all", "{origins: ['https://evil.example']}"],
    "cors": [
        "null", "{origins: ['https://shop.example'], enforce: true}", "{}", "{enforce: true}",
        "{origins: ['https://shop.example'], methods: [PUT]}",
        "{origins: ['https://shop.example'], tenant_origins: only, enforce: true}",
    ],
    "tenants": [
        "{acme: {}}", "{acme: {status: suspended}}", "{acme: {logins: [sso]}}",
        "{acme: {origins: ['https://evil.example']}, globex: {}}",
        "{acme: {}, globex: {status: suspended, origins: ['https://evil.example']}}",
        "{acme: {tier: pro, attributes: {rate_limit: 1/min}}}",
        "{acme: {projects: {web: {domains: [evil.example]}}}}",
    ],
    "absent": ["null", "{paths: [/a]}"],
    "tiers": [
        "{}", "{anonymous: {limit: 1/min, by: address}}",
        "{anonymous: {limit: 2/min, by: [address, route]}}",
        "{anonymous: {limit: 1/min, by: address}, pro: {limit: 2/min, by: tenant}}",
        "{anonymous: {limit: 1/h, by: address}, pro: {limit: 2/h, by: tenant, custom_max: 9/h}}",
    ],
    "limits": ["{}", "{address: {limit: 2/min}}", "{failed_authentication: {limit: 2/min}}"],
}  # fmt: skip
ROUTES_AT: Final = len(SECTIONS) + 1
PATHS: Final = (
    "/**", "/a", "/A", "/a/b", "/a/{x}", "/a/*", "/a/**", "/*", "/{tenant}/b", "/{x}/b", "/b/**",
    "/o/{tenant}", "/o/{id}", "/o/**", "/o/{project}",
)  # fmt: skip
GUARDS: Final = (
    "public: true", "role: viewer", "role: admin", "permission: order.read",
    "permission: order.write", "scopes: [a]", "scopes: [a, b]", "role: viewer, scopes: [a]",
    "role: admin, logins: [sso]", "role: viewer, key_kinds: [secret]",
    "role: viewer, key_kinds: [publishable]", "condition: \"request.method == 'GET'\"",
    "condition: \"'admin' in caller.roles\"", "role: admin, authenticate: [jwt]",
)  # fmt: skip
MORE: Final = (
    "", "", "", "methods: [GET]", "methods: [GET, POST]", "methods: [POST]", "mode: shadow",
    "addresses: {allow: [10.0.0.0/8]}", "addresses: {allow: [10.0.0.0/9], deny: [10.0.0.9/32]}",
    "forbid: {query: [q]}", "bind: {query: {org: tenant}}", "body: {max: 2B}", "csrf: nothing",
    "host: shop.example", "host: '*.example'", "allow_encoded_slash: true", "cors: false",
    "methods: [OPTIONS]", "mode: enforce", "bind: {host: tenant}", "bind: {json: {/org: tenant}}",
    "forbid: {json: [x]}", "forbid: {json: [x], form: [x]}", "body: {json: {}}", "cost: 2",
    "limits: {limit: 1/min, by: address}", "replace_limits: true", "mcp: {}",
    "mcp: {tools: {admin: ['*'], viewer: [look]}}", "mcp: {methods: [ping], arguments: report}",
    "storage_keys: {json: [/key]}",
)  # fmt: skip
TARGETS: Final = (
    "/", "/a", "/A", "/a/b", "/a/B", "/a/z", "/a/z/y", "/b", "/z/b", "/acme/b", "/o/acme",
    "/o/globex", "/o", "/a?q=1", "/a?org=globex", "/a/z%2Fy", "/O/acme", "/a?org=acme",
    "/a?key=sk_x", "/o/web",
)  # fmt: skip
SEVERAL: Final = a_token(org=["acme", "globex"])
FIELDS: Final = (
    (), (), (("Host", "shop.example"),), (("Host", "x.y.example"),), (("Host", "acme.example"),),
    (("Cookie", "s=1"),), (("Origin", "https://evil.example"),),
    (("Content-Type", "application/json"),), (("Content-Type", "application/json"),),
    (("Content-Type", "application/x-www-form-urlencoded"),),
    (("Origin", "https://shop.example"), ("Cookie", "s=1"), ("Sec-Fetch-Site", "cross-site")),
    (("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")),
    (("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")),
    (("Authorization", f"Bearer {a_token()}"),),
    (("Authorization", f"Bearer {SEVERAL}"),),
    (("Authorization", f"Bearer {SEVERAL}"), ("Host", "acme.example")),
    (("Authorization", f"Bearer {a_token()}"), ("X-API-Key", "sk_x")),
    (("Authorization", f"Bearer {a_token()}"), ("Cookie", f"s={a_token(sub='eve')}")),
    (("Authorization", f"Bearer {a_token('https://other')}"), ("Cookie", f"s={a_token()}")),
    (("Authorization", "Bearer sk_x"), ("Cookie", f"s={a_token()}")),
    (("Authorization", f"Bearer {a_token()}"), ("Origin", "https://evil.example")),
)  # fmt: skip
BODIES: Final = (
    b"", b"", b"12345", b"{}", b"[" * 36 + b"]" * 36, b"[1,2]", b"a=1", b'{"org":"acme"}',
    b'{"x":1}', b'{"jsonrpc":"2.0","id":1,"method":"ping"}', b'{"key":"tenants/acme/x"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{}}}',
)  # fmt: skip
WHO: Final[tuple[Principal | None, ...]] = (
    None,
    None,
    *(a_caller("acme", role, scopes=frozenset("ab")) for role in ("owner", "admin", "viewer")),
    a_caller("acme", "admin", login="sso"),
    a_caller("globex", "viewer", kind="publishable"),
    a_caller("acme", "admin", kind="publishable", project="web"),
    a_caller("acme", "viewer", is_read_only=True),
    a_caller("acme", "none", scopes=frozenset("a")),
    a_caller("acme", "admin", memberships={"acme": ("admin",), "globex": ("viewer",)}),
)


def a_policy(chance: Random) -> list[str]:
    """Make up the lines of a policy."""
    # What is not usual in a policy keeps most requests out, and a generator that admits none.
    lines = [
        f"{name}: {chance.choice(some) if chance.random() < UNUSUAL else some[0]}"
        for name, some in SECTIONS.items()
    ]
    paths = chance.sample(PATHS, chance.randint(1, 5))
    routes = []
    for path in paths:
        keys = [f"path: '{path}'", chance.choice(GUARDS), chance.choice(MORE)]
        routes.append(f"  - {{{', '.join(filter(None, keys))}}}")
    return [*lines, "routes:", *routes]


def amended(chance: Random, line: str) -> str:
    """Change what a route asks for, and leave its path."""
    path = line.split(",", maxsplit=1)[0].removesuffix("}")
    return f"{path}, {', '.join(filter(None, (chance.choice(GUARDS), chance.choice(MORE))))}}}"


def another(chance: Random, lines: list[str]) -> list[str]:
    """Change a line or two of a policy, or take one away."""
    other = a_policy(chance)
    changed = list(lines)
    for _ in range(chance.randint(1, 2)):
        if chance.random() < UNUSUAL:
            at, (name, some) = chance.choice(list(enumerate(SECTIONS.items())))
            changed[at] = f"{name}: {chance.choice(some)}"
        elif len(changed) > ROUTES_AT:
            at = chance.randrange(ROUTES_AT, len(changed))
            route = chance.choice((other[-1], amended(chance, changed[at])))
            changed[at : at + 1] = chance.choice([[], [route], [route], [changed[at], other[-1]]])
    return changed


def requests(chance: Random) -> Iterator[Asked]:
    for target, who in chance.sample(list(itertools.product(TARGETS, WHO)), REQUESTS):
        yield Asked(
            chance.choice(("GET", "GET", "POST", "POST", "HEAD", "PUT", "BREW", "OPTIONS")),
            target,
            chance.choice(FIELDS),
            chance.choice(BODIES),
            chance.choice(("127.0.0.1", "10.0.0.9", "10.200.0.1")),
            at=NOW,
            principal=who,
        )


def a_stage(loaded: Loaded) -> Stage:
    known = assumed(loaded.policy, lambda: NOW)
    careful = Careful(key_sets=key_sets_of(loaded.policy.authentication.jwt, NOW))
    return Stage(build(loaded.policy, known), careful, lambda: b"id")


def has_passed(played: Played) -> bool:
    """Whether it went on, or a page was told that its request may."""
    return played.word == "admit" or (played.word == "answer" and played.step == "preflight")


async def admitted(loaded: Loaded, asked: Asked, stage: Stage) -> tuple[int, int]:
    """Play a request, several times where anything is counted; count what passes, and what not."""
    if loaded.policy.has_limits:
        stage = a_stage(loaded)
        words = [await stage.play(asked) for _ in range(TIMES)]
    else:
        words = [await stage.play(asked)] * TIMES
    return sum(map(has_passed, words)), sum(one.word == "refuse" for one in words)


async def gained(old: Loaded, new: Loaded, chance: Random) -> Iterator[Asked]:
    """List the requests that the old policy refuses and the new one lets pass, or more of them."""
    before, after = a_stage(old), a_stage(new)
    found = []
    for asked in requests(chance):
        passed, refused = await admitted(old, asked, before)
        now, _ = await admitted(new, asked, after)
        if refused and now > passed:
            found.append(asked)
    return iter(found)


def policies(chance: Random) -> Iterator[tuple[Loaded, Loaded]]:
    while True:
        lines = a_policy(chance)
        try:
            texts = [
                a_text("\n".join(one), {"shared": SECRET}, TOKENS_HEAD)
                for one in (lines, another(chance, lines))
            ]
        except PolicyError:
            continue
        yield texts[0].loaded, texts[1].loaded


def test_what_is_not_seen_to_widen_admits_nobody_new() -> None:
    chance = Random(11)  # noqa: S311 -- policies of a test
    seen: Counter[str] = Counter()
    for old, new in itertools.islice(policies(chance), PAIRS):
        diff = compare(old, new)
        widened = next(asyncio.run(gained(old, new, chance)), None)
        assert widened is None or diff.widens, (old.policy, new.policy, widened, diff.changes)
        assert diff.changes or widened is None
        seen["gains" if widened else "no gain"] += 1
        seen["widens" if diff.widens else "does not widen"] += 1
        # The other way round too.
        if not compare(new, old).widens:
            assert next(asyncio.run(gained(new, old, chance)), None) is None
    assert min(seen.values()) > 1, seen
