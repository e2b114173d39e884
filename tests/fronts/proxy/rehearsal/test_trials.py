"""Tests of a policy pass or fail by what the policy does, and say what they did not reach."""

import asyncio

import pytest

from sidecar.fronts.proxy.rehearsal.known import Careful
from sidecar.fronts.proxy.rehearsal.reach import Reach, points_of, reach_of, told
from sidecar.fronts.proxy.rehearsal.trials import Result, Trials, trials_of
from sidecar.policy.cases.load import load_cases
from tests.fronts.proxy.rehearsal.rehearsing import HEAD, TOKENS_HEAD, a_text

POLICY = """
permissions: {orders: {read: viewer, delete: [admin]}}
tenants: {acme: {tier: pro}}
tiers: {pro: {limit: 3/min, by: tenant}}
limits: {default_tier: pro, failed_authentication: {limit: 2/min, by: address}}
body: {max: 1MB}
routes:
  - path: /open
    public: true
  - path: /orgs/{tenant}/orders
    methods: [GET, POST]
    permission: orders.read
    body: {content_types: [application/json]}
  - path: /orders
    permission: orders.delete
    scopes: [a:write]
"""


def results(tests: str, policy: str = POLICY, head: str = HEAD) -> tuple[tuple[Result, ...], Reach]:
    """Run tests of a policy."""
    text = a_text(policy, head=head)
    read = load_cases("t.yaml", {"t.yaml": f"policy: policy.yaml\n{tests}".encode()}.__getitem__)
    trials = Trials(text, read, lambda: b"own-id", Careful(where="tests ask no store"))

    async def run() -> tuple[Result, ...]:
        own = trials_of(read, text.loaded.policy)
        return tuple([await trials.run(trial) for trial in own])

    found = asyncio.run(run())
    return found, reach_of(text.loaded.policy, found)


def one(request: str, expect: str, more: str = "") -> Result:
    """Run one test."""
    tests = f"tests: [{{name: t, request: {request}, expect: {expect}{more}}}]"
    [result], _ = results(tests)
    return result


VIEWER = ", as: {tenant: acme, roles: [viewer]}"
ORDERS = "{path: /orgs/acme/orders}"


@pytest.mark.parametrize(
    ("request_", "expect", "more"),
    [
        ("{path: /open}", "{outcome: admit}", ""),
        ("{path: /open}", "{upstream_headers: {x-forwarded-for: 127.0.0.1, X-Roles: null}}", ""),
        ("{path: /open}", "{response_headers: {X-Frame-Options: DENY, Server: null}}", ""),
        ("{path: /open, from: 192.0.2.7}", "{upstream_headers: {X-Forwarded-For: 192.0.2.7}}", ""),
        ("{path: /open, host: b.example}", "{upstream_headers: {Host: b.example}}", ""),
        ("{path: /open, tls: true}", "{upstream_headers: {X-Forwarded-Proto: https}}", ""),
        (ORDERS, "{status: 401, code: UNAUTHORIZED, step: authenticate, reason: no cred}", ""),
        (ORDERS, "{outcome: admit, upstream_headers: {X-Tenant-Id: acme}}", VIEWER),
        ("{path: /orders}", "{code: FORBIDDEN, step: authorize}", VIEWER),
        (ORDERS, "{reason: malformed key}", ", as: {key: nonsense}"),
        (ORDERS, "{status: 401}", ", as: {jwt: nonsense}"),
        (
            "{path: /orgs/acme/orders, method: POST, json: {a: 1}}",
            "{outcome: admit, upstream_headers: {Content-Type: application/json}}",
            VIEWER,
        ),
        (
            "{path: /orgs/acme/orders, method: POST, json: 1, headers: {content-type: text/plain}}",
            "{status: 415, step: declared_body}",
            VIEWER,
        ),
        ("{path: /open, method: POST, body: text}", "{outcome: admit}", ""),
        (ORDERS, "{status: 429, step: limits}", f"{VIEWER}, repeat: 4, before: {{outcome: admit}}"),
        (ORDERS, "{outcome: admit}", f"{VIEWER}, repeat: 9, every: 21s"),
    ],
)
def test_what_is_as_expected_passes(request_: str, expect: str, more: str) -> None:
    assert one(request_, expect, more).wrong == ()


@pytest.mark.parametrize(
    ("request_", "expect", "more", "wrong"),
    [
        ("{path: /open}", "{outcome: refuse}", "", "outcome: expected refuse, got admit"),
        ("{path: /open}", "{status: 403}", "", "status: expected 403, got none"),
        (
            "{path: /open}",
            "{status: 200}",
            "",
            "status: what is admitted is answered by the upstream: outcome: admit",
        ),
        (ORDERS, "{code: FORBIDDEN}", "", "code: expected FORBIDDEN, got UNAUTHORIZED"),
        (ORDERS, "{step: tenant}", "", "step: expected tenant, got authenticate"),
        (ORDERS, "{reason: x}", "", "reason: expected 'x' in it, got 'no credential'"),
        (
            "{path: /open}",
            "{upstream_headers: {X-Forwarded-For: null}}",
            "",
            "upstream_headers: expected no X-Forwarded-For, got '127.0.0.1'",
        ),
        (
            ORDERS,
            "{upstream_headers: {X-A: b}}",
            "",
            "upstream_headers: the upstream gets nothing: got refuse",
        ),
        (
            ORDERS,
            "{upstream_headers: {X-A: null}}",
            "",
            "upstream_headers: the upstream gets nothing: got refuse",
        ),
        (
            "{path: /open}",
            "{response_headers: {X-Frame-Options: SAMEORIGIN}}",
            "",
            "response_headers: expected X-Frame-Options: 'SAMEORIGIN', got 'DENY'",
        ),
        (
            ORDERS,
            "{status: 429}",
            f"{VIEWER}, repeat: 5, before: {{outcome: admit}}",
            "time 4: outcome: expected admit, got refuse",
        ),
    ],
)
def test_what_is_not_as_expected_fails_in_words(
    request_: str, expect: str, more: str, wrong: str
) -> None:
    assert wrong in one(request_, expect, more).wrong


def test_a_failure_names_the_line_of_the_policy_that_refused() -> None:
    assert one("{path: /orders}", "{outcome: admit}", VIEWER).cause == (
        "authorize: permission orders.delete needs one of admin"
        " (policy.yaml:21 routes[2].permission)"
    )
    assert one("{path: /open}", "{outcome: admit}").cause == ""


def test_what_only_a_store_knows_is_not_guessed() -> None:
    result = one(ORDERS, "{outcome: admit}", ", as: {key: sk_0123456789ABCDEFGHJKMNPQRS}")
    assert result.wrong == ("outcome: expected admit, got unknown",)
    assert result.cause == "not known: whose the API key is: tests ask no store"


@pytest.mark.parametrize(
    "expect",
    ["{reason: key}", "{response_headers: {X-A: null}}", "{upstream_headers: {X-A: null}}"],
)
def test_what_is_not_decided_passes_no_test(expect: str) -> None:
    result = one(ORDERS, expect, ", as: {key: sk_0123456789ABCDEFGHJKMNPQRS}")
    assert result.wrong == ("outcome: expected a decision, got unknown",)


BUSY = """
limits: {}
routes: [{path: /busy, public: true, limits: [{concurrency: 2, by: address}]}]
"""


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        pytest.param("repeat: 9, every: 1s", "{outcome: admit}", id="one after the other"),
        pytest.param("repeat: 3", "{step: limits}", id="all at one time"),
    ],
)
def test_what_comes_apart_is_over_before_the_next(more: str, expect: str) -> None:
    test = f"{{name: t, request: {{path: /busy}}, expect: {expect}, {more}}}"
    [result], _ = results(f"tests: [{test}]", BUSY)
    assert result.wrong == ()


def test_each_test_counts_from_nothing() -> None:
    test = f"{{name: t, request: {ORDERS}, expect: {{outcome: admit}}{VIEWER}, repeat: 3}}"
    found, _ = results(f"tests: [{test}, {test}]")
    assert [result.wrong for result in found] == [(), ()]
    failing = f"{{name: t, request: {ORDERS}, expect: {{status: 401}}, repeat: 2}}"
    found, _ = results(f"tests: [{failing}, {failing}]")
    assert [result.wrong for result in found] == [(), ()]


def test_a_tenant_of_the_file_is_known_and_another_is_taken_as_it_is_named() -> None:
    tests = f"""
tenants: {{nova: {{status: suspended}}}}
tests:
  - {{name: a, request: {{path: /orgs/nova/orders}}, as: {{tenant: nova, roles: [viewer]}},
      expect: {{reason: suspended tenant}}}}
  - {{name: b, request: {{path: /orgs/hooli/orders}}, as: {{tenant: hooli, roles: [viewer]}},
      expect: {{outcome: admit}}}}
  - {{name: c, request: {ORDERS}{VIEWER}, expect: {{outcome: admit}}}}
"""
    found, _ = results(tests)
    assert [result.wrong for result in found] == [(), (), ()]


MATRIX = """
matrix:
  name: who may
  callers:
    nobody: {}
    viewer: {tenant: acme, roles: [viewer]}
    admin: {tenant: acme, roles: [admin], scopes: [a:write]}
    scopeless: {tenant: acme, roles: [admin]}
  requests:
    [GET /open, GET /orgs/acme/orders, GET /orgs/other/orders, GET /orders, PUT /orgs/a/orders]
  expect:
    nobody: [admit, 401, UNAUTHORIZED, refuse, 405]
    viewer: [admit, admit, FORBIDDEN, 403, 405]
    admin: [admit, admit, 403, admit, 405]
    scopeless: [admit, admit, 403, INSUFFICIENT_SCOPE, 405]
"""


def test_a_matrix_is_a_test_for_each_cell() -> None:
    found, reach = results(MATRIX)
    assert [result.trial.name for result in found if result.wrong] == []
    assert len(found) == 20
    assert found[5].trial.name == "who may: viewer: GET /open"
    assert found[5].trial.place.line == 14
    assert [point.words for point in reach.missed] == [
        "GET,POST /orgs/{tenant}/orders refuses by permission",
        "GET,POST /orgs/{tenant}/orders refuses by body",
        "permission orders.read refuses",
        "role owner calls",
        "role developer calls",
    ]
    assert told(reach.missed[1]) == "routes[1].body"
    assert round(reach.percent) == 74


def test_a_cell_that_is_wrong_fails_alone() -> None:
    found, _ = results(MATRIX.replace("nobody: [admit, 401", "nobody: [refuse, 401"))
    assert [result.trial.name for result in found if result.wrong] == ["who may: nobody: GET /open"]


def test_a_policy_has_points_and_nothing_reached_is_nothing() -> None:
    policy = a_text(POLICY).loaded.policy
    points = list(points_of(policy))
    reach = reach_of(policy, [])
    assert list(reach.missed) == points
    assert reach.percent == 0.0
    assert Reach((), ()).percent == 100.0
    public = a_text("routes: [{path: /**, public: true}]").loaded.policy
    assert [point.words for point in points_of(public)] == ["/** admits"]


def reached(policy: str, request: str, caller: str = "{tenant: acme, roles: [viewer]}") -> set[str]:
    """Play one request, and say what it reached."""
    test = f"{{name: t, request: {request}, as: {caller}, expect: {{reason: x}}}}"
    _, reach = results(f"tests: [{test}]", policy)
    return {point.words for point in reach.reached if "role" not in point.words}


BOUND = """
tenants: {acme: {}}
routes:
  - {path: "/t/{tenant}/x", role: viewer, bind: {query: {t: tenant}}}
"""


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/t/acme/x?t=other", {"bind"}),
        ("/t/acme/x?t=%zz", {"bind"}),
        ("/t/other/x?t=acme", {"path"}),
        ("/t/other/x?t=other", {"path", "bind"}),
    ],
)
def test_a_path_and_a_binding_are_reached_each_for_itself(path: str, where: set[str]) -> None:
    words = {f"/t/{{tenant}}/x refuses by {key}" for key in where}
    assert reached(BOUND, f'{{path: "{path}"}}') == words


SHADOW = """
tenants: {acme: {}}
routes: [{path: /x, scopes: [a], mode: shadow}]
"""


def test_what_mode_shadow_let_pass_counts_as_refused() -> None:
    assert reached(SHADOW, "{path: /x}") == {"/x refuses by scopes"}
    scoped = "{tenant: acme, scopes: [a]}"
    assert reached(SHADOW, "{path: /x}", scoped) == {"/x admits"}


METHODS = """
tenants: {acme: {}}
authentication:
  api_keys: {}
  introspection: {url: https://idp.example/introspect, client_id: a, client_secret: "file:pepper"}
routes:
  - {path: /keys, role: viewer, authenticate: [api_key]}
  - {path: /all, role: viewer, authenticate: [api_key, introspection]}
"""


def test_a_method_that_is_not_accepted_is_no_stranger() -> None:
    text = a_text(METHODS, head=TOKENS_HEAD)
    words = [point.words for point in points_of(text.loaded.policy)]
    assert "/keys refuses by authenticate" in words
    assert "/all refuses by authenticate" not in words
    test = """
tests:
  - name: t
    request: {path: /keys}
    as: {tenant: acme, roles: [viewer], method: introspection}
    expect: {status: 401}
"""
    _, reach = results(test, METHODS, TOKENS_HEAD)
    found = {point.words for point in reach.reached}
    assert found == {"/keys refuses by authenticate", "role viewer calls"}


AMBIENT = """
tenants: {acme: {}}
csrf: ambient
authentication: {api_keys: {query: key}}
routes: [{path: /x, role: viewer}]
"""


@pytest.mark.parametrize(
    ("target", "expect"),
    [
        pytest.param("/x", "{outcome: admit}", id="a key in its field is no cookie"),
        pytest.param("/x?key=a", "{step: csrf, code: CSRF}", id="but an address is"),
    ],
)
def test_a_caller_is_taken_to_send_a_field_that_no_other_site_sends(
    target: str, expect: str
) -> None:
    sent = "headers: {Cookie: a=b, Sec-Fetch-Site: cross-site}"
    request = f"{{method: POST, path: '{target}', {sent}}}"
    test = f"{{name: t, request: {request}, expect: {expect}{VIEWER}}}"
    [result], _ = results(f"tests: [{test}]", AMBIENT, TOKENS_HEAD)
    assert result.wrong == ()
