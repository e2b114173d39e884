"""What a caller may do: each check refuses with its own reason, in a fixed order."""

from collections.abc import Mapping

import pytest

from sidecar.decision.steps.authorize import Authorize
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head
from tests.decision.steps.known import a_guarded_policy, a_member

# The matrices of AZ-2, as two policies would write them.
MATRIX = {
    "tenant": {
        "manage_members": ["owner", "admin"],
        "manage_billing": ["owner"],
        "manage_settings": ["owner", "admin"],
    },
    "project": {
        "create": "developer",
        "write": ["owner", "admin", "developer"],
        "read": ["owner", "admin", "developer", "viewer"],
        "delete": "admin",
    },
    "agent": {"execute": "developer", "configure": ["owner", "admin"]},
    "org": {"delete_org": {"roles": ["owner"], "logins": ["sso"]}},
}
ROLES = ("owner", "admin", "developer", "viewer")
HOLDERS = {
    "tenant.manage_members": 2, "tenant.manage_billing": 1, "tenant.manage_settings": 2,
    "project.create": 3, "project.write": 3, "project.read": 4, "project.delete": 2,
    "agent.execute": 3, "agent.configure": 2,
}  # fmt: skip


def a_step(sections: Mapping[str, object] | None = None, **keys: object) -> Authorize:
    policy = a_guarded_policy("/**", {"permissions": MATRIX, **(sections or {})}, **keys)
    return Authorize.compile(policy, policy.routes[0])


def judged(step: Authorize, *roles: str, method: bytes = b"GET", **facts: object) -> Outcome:
    exchange = a_member(*roles, **facts)
    exchange.head = a_head(method)
    return step.decide(exchange)


def reason_of(outcome: Outcome) -> str | None:
    """Say why; every one of these refusals is FORBIDDEN without further lines."""
    if outcome is PASS:
        return None
    assert outcome == Refuse(RefusalCode.FORBIDDEN, outcome.reason)
    return outcome.reason


@pytest.mark.control("AZ-1")
@pytest.mark.parametrize("held", range(4))
@pytest.mark.parametrize("needed", range(4))
def test_a_role_admits_those_that_are_not_below_it(needed: int, held: int) -> None:
    outcome = judged(a_step(role=ROLES[needed]), ROLES[held])
    assert reason_of(outcome) == (None if held <= needed else f"role below {ROLES[needed]}")


@pytest.mark.control("AZ-1")
@pytest.mark.parametrize(
    ("roles", "is_admitted"),
    [
        pytest.param(("viewer", "developer"), True, id="the highest counts"),
        pytest.param(("developer", "viewer"), True, id="in any order"),
        pytest.param((), False, id="none"),
        pytest.param(("root",), False, id="unknown"),
        pytest.param(("superowner", "viewer"), False, id="unknown beside a low one"),
        pytest.param(("Developer",), False, id="case"),
        pytest.param(("developer ",), False, id="a blank"),
        pytest.param(("developer,owner",), False, id="a list"),
        pytest.param(("",), False, id="empty"),
        pytest.param(("d\u0435veloper",), False, id="a Cyrillic letter"),
        pytest.param(("0",), False, id="a place in the hierarchy"),
    ],
)
def test_only_roles_of_the_hierarchy_count(roles: tuple[str, ...], *, is_admitted: bool) -> None:
    assert (judged(a_step(role="developer"), *roles) is PASS) is is_admitted


@pytest.mark.control("AZ-1")
def test_a_policy_may_have_roles_of_its_own() -> None:
    step = a_step({"roles": ["boss", "clerk"], "permissions": {}}, role="boss")
    assert judged(step, "boss") is PASS
    assert reason_of(judged(step, "owner", "clerk")) == "role below boss"


@pytest.mark.parametrize(
    ("key", "value"),
    [("role", "ghost"), ("permission", "project.ghost"), ("permission", "ghost.read")],
)
def test_what_the_policy_does_not_define_admits_nobody(key: str, value: str) -> None:
    assert reason_of(judged(a_step({}, **{key: value}), *ROLES, "ghost")) is not None


@pytest.mark.control("AZ-2")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("permission", "holders"), HOLDERS.items())
def test_the_matrix_says_who_may(permission: str, holders: int, role: str) -> None:
    listed = ", ".join(ROLES[:holders])
    expected = (
        None if ROLES.index(role) < holders else f"permission {permission} needs one of {listed}"
    )
    assert reason_of(judged(a_step(permission=permission), role)) == expected


@pytest.mark.control("AZ-2")
def test_a_list_of_roles_is_no_minimum() -> None:
    sections = {"permissions": {"report": {"file": ["developer", "ghost"]}}}
    step = a_step(sections, permission="report.file")
    assert reason_of(judged(step, "owner")) == "permission report.file needs one of developer"
    assert reason_of(judged(step, "ghost")) is not None
    assert judged(step, "owner", "developer") is PASS


@pytest.mark.control("AZ-8")
@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ("sso", None),
        ("password", "permission org.delete_org needs login by sso"),
        ("SSO", "permission org.delete_org needs login by sso"),
        ("", "permission org.delete_org needs login by sso"),
    ],
)
def test_a_permission_may_demand_a_login_method(login: str, reason: str | None) -> None:
    assert reason_of(judged(a_step(permission="org.delete_org"), "owner", login=login)) == reason


@pytest.mark.control("AZ-8")
def test_a_route_may_demand_a_login_method() -> None:
    step = a_step(role="viewer", logins=["sso", "mfa"])
    assert judged(step, "viewer", login="mfa") is PASS
    reason = reason_of(judged(step, "owner", login="api_key"))
    assert reason == "the route needs login by sso or mfa"


@pytest.mark.control("AZ-3")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("engine", None),
        ("secret", None),
        ("publishable", "key kind publishable is not accepted"),
        ("Engine", "key kind Engine is not accepted"),
        (None, "the route accepts keys of kind engine, secret alone"),
    ],
)
def test_a_kind_of_key_never_reaches_another_s_routes(kind: str | None, reason: str | None) -> None:
    step = a_step(role="viewer", key_kinds=["engine", "secret"])
    assert reason_of(judged(step, "owner", kind=kind)) == reason


@pytest.mark.control("AZ-7")
@pytest.mark.parametrize(
    ("method", "is_safe"),
    [
        (b"GET", True), (b"HEAD", True), (b"OPTIONS", True), (b"POST", False), (b"PUT", False),
        (b"PATCH", False), (b"DELETE", False), (b"PROPFIND", False), (b"GETX", False),
    ],
)  # fmt: skip
def test_a_read_only_credential_reaches_safe_methods_alone(method: bytes, *, is_safe: bool) -> None:
    step = a_step(role="viewer")
    reason = reason_of(judged(step, "owner", method=method, is_read_only=True))
    assert (reason is None) is is_safe
    assert judged(step, "owner", method=method) is PASS


@pytest.mark.control("AZ-7")
def test_a_read_only_credential_without_a_head_is_refused() -> None:
    exchange = a_member("owner", is_read_only=True)
    exchange.head = None
    assert reason_of(a_step(role="viewer").decide(exchange)) is not None


@pytest.mark.parametrize(
    ("scopes", "is_admitted"),
    [
        ({"a:read", "b:write"}, True),
        ({"a:read", "b:write", "c"}, True),
        ({"a:read"}, False),
        ({"A:READ", "b:write"}, False),
        ({"a:read b:write"}, False),
        ({"*"}, False),
        (set(), False),
    ],
)
def test_every_scope_is_needed(scopes: set[str], *, is_admitted: bool) -> None:
    outcome = judged(a_step(scopes=["a:read", "b:write"]), scopes=frozenset(scopes))
    challenge = b'Bearer realm="sidecar", error="insufficient_scope", scope="a:read b:write"'
    refusal = Refuse(
        RefusalCode.INSUFFICIENT_SCOPE,
        "the credential lacks one of the scopes a:read b:write",
        (b"WWW-Authenticate: " + challenge,),
    )
    assert outcome == (PASS if is_admitted else refusal)


def test_the_checks_run_in_the_order_that_is_written() -> None:
    step = a_step(
        role="admin",
        permission="org.delete_org",
        scopes=["s"],
        key_kinds=["secret"],
        logins=["sso", "api_key"],
    )
    mended: dict[str, object] = {"is_read_only": True, "kind": "publishable", "login": "x"}
    roles: tuple[str, ...] = ("viewer",)
    seen = []
    for fact in (
        {"is_read_only": False}, {"kind": "secret"}, {"login": "api_key"}, {"roles": ("admin",)},
        {"roles": ("owner",)}, {"login": "sso"}, {"scopes": frozenset({"s"})},
    ):  # fmt: skip
        outcome = judged(step, *roles, method=b"POST", **mended)
        assert isinstance(outcome, Refuse)
        seen.append(outcome.reason)
        roles = fact.pop("roles", roles)  # type: ignore[assignment]  # facts of several types
        mended |= fact
    assert seen == [
        "a read-only credential reaches GET, HEAD and OPTIONS alone",
        "key kind publishable is not accepted",
        "the route needs login by sso or api_key",
        "role below admin",
        "permission org.delete_org needs one of owner",
        "permission org.delete_org needs login by sso",
        "the credential lacks one of the scopes s",
    ]
    assert judged(step, *roles, method=b"POST", **mended) is PASS


def test_a_condition_alone_leaves_the_checks_of_every_route() -> None:
    step = a_step(condition="true")
    assert judged(step, method=b"DELETE") is PASS
    assert reason_of(judged(step, method=b"DELETE", is_read_only=True)) is not None
