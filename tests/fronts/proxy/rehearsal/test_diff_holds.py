"""The oracle of `sidecar diff`: where it sees no widening, nothing that was refused is admitted."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

from sidecar.decision.diff.changes import Verdict
from sidecar.decision.diff.compare import compare
from sidecar.decision.pipeline import build
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Stage
from sidecar.model.errors import PolicyError
from sidecar.model.identity import Principal
from sidecar.policy.loaded import Loaded
from tests.fronts.proxy.rehearsal.rehearsing import NOW, a_caller, a_text

PAIRS: Final = 40
REQUESTS: Final = 15
SECTIONS: Final = {
    "roles": ["[owner, admin, viewer]"],
    "permissions": [
        "{order: {read: viewer, write: admin}}",
        "{order: {read: viewer, write: viewer}}",
        "{order: {read: [viewer, owner], write: {minimum: admin, logins: [sso]}}}",
    ],
    "mode": ["enforce"] * 9 + ["shadow"],
    "body": ["{max: 1KB}", "{max: 1B}", "{content_types: [application/json]}"],
    "csrf": ["null", "ambient", "all", "{origins: ['https://evil.example']}"],
    "cors": ["null", "{origins: ['https://shop.example'], enforce: true}", "{}"],
    "tenants": ["{acme: {}}", "{acme: {status: suspended}}", "{acme: {logins: [sso]}}"],
    "absent": ["null", "{paths: [/a]}"],
}
PATHS: Final = (
    "/**", "/a", "/A", "/a/b", "/a/{x}", "/a/*", "/a/**", "/*", "/{tenant}/b", "/{x}/b", "/b/**",
    "/o/{tenant}", "/o/{id}", "/o/**",
)  # fmt: skip
GUARDS: Final = (
    "public: true", "role: viewer", "role: admin", "permission: order.read",
    "permission: order.write", "scopes: [a]", "scopes: [a, b]", "role: viewer, scopes: [a]",
    "role: admin, logins: [sso]", "role: viewer, key_kinds: [secret]",
    "role: viewer, key_kinds: [publishable]", "condition: \"request.method == 'GET'\"",
    "condition: \"'admin' in caller.roles\"",
)  # fmt: skip
MORE: Final = (
    "", "", "", "methods: [GET]", "methods: [GET, POST]", "methods: [POST]", "mode: shadow",
    "addresses: {allow: [10.0.0.0/8]}", "addresses: {allow: [10.0.0.0/9], deny: [10.0.0.9/32]}",
    "forbid: {query: [q]}", "bind: {query: {org: tenant}}", "body: {max: 2B}", "csrf: nothing",
    "host: shop.example", "host: '*.example'", "allow_encoded_slash: true", "cors: false",
)  # fmt: skip
TARGETS: Final = (
    "/", "/a", "/A", "/a/b", "/a/B", "/a/z", "/a/z/y", "/b", "/z/b", "/acme/b", "/o/acme",
    "/o/globex", "/o", "/a?q=1", "/a?org=globex", "/a/z%2Fy", "/O/acme",
)  # fmt: skip
FIELDS: Final = (
    (), (), (("Host", "shop.example"),), (("Host", "x.y.example"),), (("Cookie", "s=1"),),
    (("Origin", "https://evil.example"),), (("Content-Type", "application/json"),),
    (("Origin", "https://shop.example"), ("Cookie", "s=1"), ("Sec-Fetch-Site", "cross-site")),
)  # fmt: skip
WHO: Final[tuple[Principal | None, ...]] = (
    None,
    *(a_caller("acme", role, scopes=frozenset("ab")) for role in ("owner", "admin", "viewer")),
    a_caller("acme", "admin", login="sso"),
    a_caller("globex", "viewer", kind="publishable"),
    a_caller("acme", "viewer", is_read_only=True),
    a_caller("acme", "none", scopes=frozenset("a")),
)


def a_policy(chance: Random) -> list[str]:
    """Make up the lines of a policy."""
    lines = [f"{name}: {chance.choice(some)}" for name, some in SECTIONS.items()]
    paths = chance.sample(PATHS, chance.randint(1, 5))
    routes = []
    for path in paths:
        keys = [f"path: '{path}'", chance.choice(GUARDS), chance.choice(MORE)]
        routes.append(f"  - {{{', '.join(filter(None, keys))}}}")
    return [*lines, "routes:", *routes]


def another(chance: Random, lines: list[str]) -> list[str]:
    """Change a line or two of a policy, or take one away."""
    other = a_policy(chance)
    changed = list(lines)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(changed))
        if changed[at].startswith("  -"):
            choice = chance.choice([[], [other[-1]], [changed[at], other[-1]]])
            changed[at : at + 1] = choice
        elif at < len(SECTIONS):
            changed[at] = other[at]
    return changed


def requests(chance: Random) -> Iterator[Asked]:
    for target, who in chance.sample(list(itertools.product(TARGETS, WHO)), REQUESTS):
        yield Asked(
            chance.choice(("GET", "GET", "POST", "HEAD", "PUT", "BREW")),
            target,
            chance.choice(FIELDS),
            chance.choice((b"", b"", b"12345")),
            chance.choice(("127.0.0.1", "10.0.0.9", "10.200.0.1")),
            at=NOW,
            principal=who,
        )


def a_stage(loaded: Loaded) -> Stage:
    known = assumed(loaded.policy, lambda: NOW)
    return Stage(build(loaded.policy, known), Careful(), lambda: b"id")


async def gained(old: Loaded, new: Loaded, chance: Random) -> Iterator[Asked]:
    """List the requests that the old policy refuses and the new one admits."""
    before, after = a_stage(old), a_stage(new)
    found = []
    for asked in requests(chance):
        was, now = await before.play(asked), await after.play(asked)
        if (was.word, now.word) == ("refuse", "admit"):
            found.append(asked)
    return iter(found)


def policies(chance: Random) -> Iterator[tuple[Loaded, Loaded]]:
    while True:
        lines = a_policy(chance)
        try:
            texts = [a_text("\n".join(one)) for one in (lines, another(chance, lines))]
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
        # Nobody can gain where it says that all is as it was: the other way round too.
        if all(one.verdict in {Verdict.WIDENS, Verdict.NEUTRAL} for one in diff.changes):
            assert next(asyncio.run(gained(new, old, chance)), None) is None
    assert min(seen.values()) > 1, seen
