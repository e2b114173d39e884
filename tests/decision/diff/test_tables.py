"""No key of the policy is forgotten: each has a row, or belongs to something judged whole."""

import typing
from collections.abc import Iterator
from pathlib import PurePath

import pytest

from sidecar.decision.diff.changes import Judging, Side, Spot, Verdict
from sidecar.decision.diff.routes import JUDGED
from sidecar.decision.diff.rules import Rule, named, neutral, ranked, section
from sidecar.decision.diff.tables import TABLES
from sidecar.policy.schema.action import Action
from sidecar.policy.schema.cookies import CookieException
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.reload import Reload
from sidecar.policy.schema.routes import Route
from sidecar.policy.schema.section import Section
from tests.builders import a_policy

LIMIT = frozenset(
    {
        "limit", "quota", "concurrency", "burst", "by", "charge_refused", "mode",
        "on_store_failure",
    }
)  # fmt: skip
# Judged as one value: opaque, nobody's access, or by `limits.py`, which reads each of these keys.
WHOLE: dict[str, frozenset[str]] = {
    "Limit": LIMIT,
    "TierLimit": LIMIT | {"custom_max"},
    "AddressLimit": LIMIT,
    "KeyLimit": LIMIT,
    "FailureLimit": LIMIT,
    "Addresses": frozenset({"allow", "deny"}),
    "Grant": frozenset({"minimum", "roles", "logins"}),
}
OPAQUE = frozenset({"CookieException", "HmacScheme", "Project", "Retention", "Rotate"})
NEUTRAL = frozenset(
    {
        "Action", "ErrorTemplate", "Explain", "Guard", "Keepalive", "Metrics", "OpenApi",
        "RouteTimeouts", "SecurityTxt", "Spill", "TenantMetrics", "UpstreamTimeouts",
    }
)  # fmt: skip


def sections_of(kind: type[Section], seen: set[type[Section]]) -> Iterator[type[Section]]:
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    waiting: list[object] = [field.annotation for field in kind.model_fields.values()]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, Section):
            yield from sections_of(one, seen)
        waiting += typing.get_args(one)


def test_each_key_of_each_section_is_judged() -> None:
    for kind in sections_of(Policy, set()):
        keys, name = set(kind.model_fields), kind.__name__
        if kind is Route:
            assert keys == JUDGED
        elif name in WHOLE:
            assert keys == WHOLE[name], name
        elif kind not in TABLES:
            assert name in OPAQUE | NEUTRAL, name
        else:
            # Routes are judged by the requests that they have.
            assert keys - {"routes"} == set(TABLES[kind]), name


def judged(rule: Rule, old: object, new: object) -> list[Verdict]:
    side = Side(a_policy(), PurePath(), {})
    judging = Judging(side, side)
    rule(judging, Spot.at("key"), old, new)
    return [change.verdict for change in judging.noted]


def test_a_key_without_a_row_counts_as_widening() -> None:
    rule = section(dict)
    assert judged(rule, Reload(), Reload()) == []
    other = Reload.model_validate({"every": "2s"})
    assert judged(rule, Reload(), other) == [Verdict.CHANGES]


def test_values_of_another_kind_cannot_be_judged() -> None:
    rule = section(lambda: TABLES)
    assert judged(rule, Reload(), CookieException()) == [Verdict.CHANGES]
    assert judged(rule, "text", "other") == [Verdict.CHANGES]
    assert judged(neutral, Action(name="a.b"), Action(name="a.c")) == [Verdict.NEUTRAL]
    assert judged(ranked(lambda _: 0.0), "one", "other") == [Verdict.CHANGES]


def test_what_is_no_number_has_no_rank() -> None:
    with pytest.raises(TypeError, match="str has no rank"):
        judged(TABLES[Policy]["workers"], "one", "two")


def test_a_list_in_which_a_name_stands_twice_is_judged_whole() -> None:
    twice = (Reload(), Reload())
    gone = Verdict.NARROWS
    rule = named(lambda *_: "one", neutral, added=Verdict.WIDENS, removed=lambda _: gone, what="it")
    assert judged(rule, twice, twice) == []
    assert judged(rule, twice, (Reload(),)) == [Verdict.CHANGES]
