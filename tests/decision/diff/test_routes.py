"""Routes, by the requests that have them: who gains, who loses."""

import re
from collections.abc import Sequence

import pytest

from sidecar.decision.diff import pairs
from sidecar.decision.diff.changes import Change, Verdict
from tests.decision.diff.comparing import CALLERS, ROUTES, diff_of, routed, said

CALLERS_LINE = re.compile(r"secrets:.*")
ADMIN = "path: /a, role: admin"
SIGNED = "webhook: {scheme: github, tenant_secret: h}"
HOOK = "webhook: {scheme: github, secret: 0123456789abcdef0123456789abcdef%s}"


@pytest.mark.parametrize(
    ("expected", "old", "new"),
    [
        ("", "path: /a, public: true", "path: /a, public: true, body: {max: 1MB}"),
        ("narrows routes[0].public", "path: /a, public: true", ADMIN),
        ("widens routes[0].public", ADMIN, "path: /a, public: true"),
        ("changes routes[0].public", ADMIN, f"path: /a, public: true, {HOOK % ''}"),
        ("changes routes[0].public", f"path: /a, public: true, {HOOK % ''}", ADMIN),
        (
            "narrows routes[0].webhook",
            "path: /a, public: true",
            f"path: /a, public: true, {HOOK % ''}",
        ),
        (
            "widens routes[0].webhook",
            f"path: /a, public: true, {HOOK % ''}",
            "path: /a, public: true",
        ),
        (
            "changes routes[0].webhook.secret",
            f"path: /a, public: true, {HOOK % ''}",
            f"path: /a, public: true, {HOOK % 'x'}",
        ),
        ("widens routes[0].role", ADMIN, "path: /a, role: viewer"),
        ("narrows routes[0].role", "path: /a, role: viewer", ADMIN),
        ("", ADMIN, "path: /a, permission: order.write"),
        ("widens routes[0].role", ADMIN, "path: /a, permission: order.read"),
        (
            "narrows routes[0].logins",
            "path: /a, permission: order.read",
            "path: /a, permission: order.list",
        ),
        (
            "narrows routes[0].role",
            "path: /a, role: viewer, permission: order.read",
            "path: /a, role: admin, permission: order.read",
        ),
        ("widens routes[0].role, narrows routes[0].scopes", ADMIN, "path: /a, scopes: [a]"),
        ("widens routes[0].scopes", "path: /a, scopes: [a, b]", "path: /a, scopes: [a]"),
        ("narrows routes[0].authenticate", ADMIN, f"{ADMIN}, authenticate: [jwt]"),
        ("", ADMIN, f"{ADMIN}, authenticate: [jwt, api_key]"),
        ("narrows routes[0].key_kinds", ADMIN, f"{ADMIN}, key_kinds: [secret]"),
        ("widens routes[0].logins", f"{ADMIN}, logins: [sso]", ADMIN),
        (
            "changes routes[0].condition",
            "path: /a, condition: 'true'",
            "path: /a, condition: 'false'",
        ),
        ("narrows routes[0].condition", ADMIN, f"{ADMIN}, condition: 'true'"),
        (
            "widens routes[0].addresses",
            "path: /a, public: true, addresses: {allow: [10.0.0.0/8]}",
            "path: /a, public: true",
        ),
        (
            "narrows routes[0].addresses",
            "path: /a, public: true",
            "path: /a, public: true, addresses: {deny: [10.0.0.0/8]}",
        ),
        (
            "narrows routes[0].addresses",
            "path: /a, public: true, addresses: {allow: [10.0.0.0/8, 'fd00::/8']}",
            "path: /a, public: true, addresses: {allow: [10.1.0.0/16, 'fd00::/16']}",
        ),
        (
            "changes routes[0].addresses",
            "path: /a, public: true, addresses: {allow: [10.0.0.0/8]}",
            "path: /a, public: true, addresses: {allow: ['fd00::/8']}",
        ),
        ("widens routes[0].mode", ADMIN, f"{ADMIN}, mode: shadow"),
        ("widens routes[0].body.max", ADMIN, f"{ADMIN}, body: {{max: 2MB}}"),
        ("widens routes[0].cost", f"{ADMIN}, cost: 9", ADMIN),
        ("narrows routes[0].limits", ADMIN, f"{ADMIN}, limits: {{limit: 9/s, by: tenant}}"),
        ("widens routes[0].replace_limits", ADMIN, f"{ADMIN}, replace_limits: true"),
        ("widens routes[0].allow_encoded_slash", ADMIN, f"{ADMIN}, allow_encoded_slash: true"),
        ("changes routes[0].upstream.url", ADMIN, f"{ADMIN}, upstream: 'http://other'"),
        ("changes routes[0].strip_prefix", ADMIN, f"{ADMIN}, strip_prefix: /a"),
        ("neutral routes[0].timeouts", ADMIN, f"{ADMIN}, timeouts: {{idle: 1s}}"),
        ("neutral routes[0].action", ADMIN, f"{ADMIN}, action: a.b"),
        ("widens routes[0].bind.query.org", f"{ADMIN}, bind: {{query: {{org: tenant}}}}", ADMIN),
        # A token of several tenants has none of them until a request names one.
        (
            "changes routes[0].bind, narrows routes[0].bind.query.org",
            ADMIN,
            f"{ADMIN}, bind: {{query: {{org: tenant}}}}",
        ),
        (
            "narrows routes[0].bind.query.org",
            "path: '/o/{tenant}', role: admin",
            "path: '/o/{tenant}', role: admin, bind: {query: {org: tenant}}",
        ),
        (
            "narrows routes[0].bind.query.org",
            ADMIN,
            f"{ADMIN}, bind: {{query: {{org: project}}}}",
        ),
        (
            "changes routes[0].bind.query.org, changes routes[0].bind",
            f"{ADMIN}, bind: {{query: {{org: project}}}}",
            f"{ADMIN}, bind: {{query: {{org: tenant}}}}",
        ),
        (
            "changes routes[0].bind, narrows routes[0].bind.host",
            ADMIN,
            f"{ADMIN}, bind: {{host: tenant}}",
        ),
        (
            "changes routes[0].path, narrows routes[0].path",
            "path: '/o/{id}', role: admin",
            "path: '/o/{tenant}', role: admin",
        ),
        (
            "widens routes[0].body, narrows routes[0].forbid.form",
            f"{ADMIN}, forbid: {{json: [x]}}",
            f"{ADMIN}, forbid: {{json: [x], form: [x]}}",
        ),
        (
            "narrows routes[0].body.json",
            f"{ADMIN}, forbid: {{json: [x]}}",
            f"{ADMIN}, forbid: {{json: [x]}}, body: {{json: {{}}}}",
        ),
        ("widens routes[0].forbid.query", f"{ADMIN}, forbid: {{query: [db]}}", ADMIN),
        ("widens routes[0].storage_keys", f"{ADMIN}, storage_keys: {{json: [/k]}}", ADMIN),
        ("narrows routes[0].mcp", ADMIN, f"{ADMIN}, mcp: {{tools: {{admin: [a]}}}}"),
        (
            "widens routes[0].mcp.tools.admin",
            f"{ADMIN}, mcp: {{tools: {{admin: [a]}}}}",
            f"{ADMIN}, mcp: {{tools: {{admin: ['*']}}}}",
        ),
        (
            "widens routes[0].mcp.tools.viewer, narrows routes[0].mcp.tools.admin",
            f"{ADMIN}, mcp: {{tools: {{admin: [a]}}}}",
            f"{ADMIN}, mcp: {{tools: {{viewer: [a]}}}}",
        ),
        (
            "widens routes[0].mcp.tools",
            f"{ADMIN}, mcp: {{tools: {{admin: [a]}}}}",
            f"{ADMIN}, mcp: {{}}",
        ),
        (
            "widens routes[0].mcp.arguments.mode",
            f"{ADMIN}, mcp: {{}}",
            f"{ADMIN}, mcp: {{arguments: report}}",
        ),
        (
            "widens routes[0].path",
            "path: '/o/{tenant}', role: admin",
            "path: '/o/{id}', role: admin",
        ),
        (
            "narrows routes[0].path",
            "path: '/o/{id}', role: admin",
            "path: '/o/{project}', role: admin",
        ),
        ("", "path: '/o/{id}', role: admin", "path: '/o/*', role: admin"),
        (
            "changes routes[0].path",
            "path: '/o/{tenant}/{a}', public: true, webhook: {scheme: github, tenant_secret: h}",
            "path: '/o/{a}/{tenant}', public: true, webhook: {scheme: github, tenant_secret: h}",
        ),
        (
            "neutral routes[0].action",
            f"path: '/o/{{tenant}}', public: true, {SIGNED}",
            f"path: '/o/{{tenant}}', public: true, {SIGNED}, action: a.b",
        ),
    ],
)
def test_a_route_becomes_another(expected: str, old: str, new: str) -> None:
    master = "secrets: {pepper: 0123456789abcdef0123456789abcdef, master_key: " + "ab" * 32 + "}"
    before, after = (CALLERS_LINE.sub(master, routed(text)) for text in (old, new))
    assert ", ".join(said(before, after)) == expected


@pytest.mark.parametrize(
    ("expected", "old", "new"),
    [
        # Order, splits and moves change nothing.
        ((), [ADMIN, "path: /b, public: true"], ["path: /b, public: true", ADMIN]),
        (
            ("narrows routes[0]: no route: other methods /a",),
            ["path: /a, public: true"],
            ["path: /a, methods: [GET], public: true", "path: /a, methods: [PUT], public: true"],
        ),
        (
            ("widens routes[1]: admits everybody: GET,HEAD /b",),
            [ADMIN],
            [ADMIN, "path: /b, methods: [GET], public: true"],
        ),
        (
            ("widens routes[1]: admits callers with role viewer: any method /b",),
            [ADMIN],
            [ADMIN, "path: /b, role: viewer"],
        ),
        (
            ("widens routes[1]: admits whoever signs: any method /b",),
            [ADMIN],
            [ADMIN, f"path: /b, public: true, {HOOK % ''}"],
        ),
        (
            ("widens routes[1]: admits everybody: it is in shadow mode: any method /b",),
            [ADMIN],
            [ADMIN, "path: /b, role: admin, mode: shadow"],
        ),
        (
            ("narrows routes[1]: no route: any method /b",),
            [ADMIN, "path: /b, role: admin"],
            [ADMIN],
        ),
        (
            ("widens routes[0]: admits callers with role admin: POST /a",),
            ["path: /a, role: admin, methods: [GET]"],
            ["path: /a, role: admin, methods: [GET, POST]"],
        ),
        (
            ("narrows routes[0]: no route: other methods /a",),
            [ADMIN],
            ["path: /a, role: admin, methods: [GET]"],
        ),
        # Whose route is gone may fall to one that admits more.
        (
            (
                "widens routes[0].public: callers with role admin → everybody (/**)",
                "widens routes[0]: admits everybody: any method /A",
            ),
            ["path: /**, public: true", ADMIN],
            ["path: /**, public: true"],
        ),
        # A route in between takes requests from one that asked for more.
        (
            (
                "widens routes[1].role: [admin, owner] → [admin, owner, viewer] (/a/x)",
                "narrows routes[0]: no route: any method /a/X",
            ),
            ["path: /a/**, role: admin"],
            ["path: /a/**, role: admin", "path: /a/x, role: viewer"],
        ),
        (
            ("widens routes[1].public: callers with role admin → everybody (h.example/a)",),
            [ADMIN],
            [ADMIN, "path: /a, host: h.example, public: true"],
        ),
        (
            ("widens routes[1].public: callers with role admin → everybody (*.example/a)",),
            [ADMIN],
            [ADMIN, "path: /a, host: '*.example', public: true"],
        ),
    ],
)
def test_requests_have_another_route(
    expected: Sequence[str], old: list[str], new: list[str]
) -> None:
    changes = diff_of(routed(*old), routed(*new)).changes
    found = [str(change).replace(": ", " ", 1) for change in changes]
    assert found == list(expected)


@pytest.mark.parametrize(
    ("expected", "old", "new"),
    [
        (["widens mode"], "", "mode: shadow"),
        (["narrows mode"], "mode: shadow", ""),
    ],
)
def test_shadow_mode_lets_pass_what_no_route_has(expected: list[str], old: str, new: str) -> None:
    assert set(said(routed(ADMIN, sections=old), routed(ADMIN, sections=new))) == set(expected)
    assert "requests that no route has" in str(
        diff_of(routed(ADMIN, sections=old), routed(ADMIN, sections=new)).changes
    )


def test_in_shadow_mode_a_route_that_is_gone_admits_everybody() -> None:
    both = routed(ADMIN, "path: /b, role: admin", sections="mode: shadow")
    one = routed(ADMIN, sections="mode: shadow")
    assert said(both, one) == ["widens routes[1]"]
    assert said(one, both) == ["changes routes[1]"]


def test_what_several_routes_inherit_is_said_once() -> None:
    old = routed(ADMIN, "path: /b, role: admin")
    assert said(old, f"body: {{max: 2MB}}\n{old}") == ["widens body.max"]


def test_a_route_of_its_own_is_held_to_what_it_inherited() -> None:
    old = routed(f"{ADMIN}, body: {{max: 3MB}}", sections="body: {max: 2MB}")
    [change] = diff_of(old, routed(ADMIN, sections="body: {max: 2MB}")).changes
    assert (change.old, change.new) == (("routes", 0, "body", "max"), ("body", "max"))
    assert str(change) == "narrows: body.max: 3000000 → 2000000 (/a)"


def test_a_change_names_a_few_of_its_routes() -> None:
    change = Change(Verdict.WIDENS, "more", None, ("cors",), tuple("abcde"))
    assert str(change) == "widens: cors: more (a, b, c and 2 more)"


def test_templates_that_meet_in_too_many_ways_count_as_widening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "MOST", 3)
    assert said(routed(ADMIN), routed(ADMIN)) == ["changes routes"]


def test_the_digest_names_these_changes_between_these_policies() -> None:
    old = f"{CALLERS}{ROUTES}"
    first, again = diff_of(old, f"{old}\nmode: shadow"), diff_of(old, f"{old}\nmode: shadow")
    other = diff_of(old, f"{old}\nmode: shadow\nworkers: 2")
    assert first.digest == again.digest != other.digest
    assert first.widens
    assert first.counts() == {"widens": 2, "changes": 0, "narrows": 0, "neutral": 0}


@pytest.mark.parametrize(
    ("expected", "limits", "tiers"),
    [
        (["widens routes[0].limits"], ", limits: {limit: 9/s, by: tenant}", ""),
        (["widens routes[0].limits"], "", "tiers: {anonymous: {limit: 9/s, by: [address, route]}}"),
        ([], "", "tiers: {anonymous: {limit: 9/s, by: address}}"),
    ],
)
def test_a_route_that_becomes_several_is_counted_in_each(
    expected: list[str], limits: str, tiers: str
) -> None:
    one = f"path: /a/**, role: admin{limits}"
    two = f"path: '/a/b/**', role: admin{limits}"
    found = said(routed(one, sections=tiers), routed(one, two, sections=tiers))
    assert [line for line in found if not line.startswith("narrows")] == expected
    assert "counted apart" not in str(
        diff_of(routed(one, two, sections=tiers), routed(one, sections=tiers)).changes
    )


def test_without_preflights_to_serve_no_page_gains() -> None:
    get = "routes: [{path: /, public: true, methods: [GET]}]"
    assert said(f"cors: {{origins: ['https://a.example']}}\n{get}", get) == ["narrows cors"]
