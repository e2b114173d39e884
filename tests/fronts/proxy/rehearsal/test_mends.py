"""For each kind of refusal a change is found, and it is known whether the change is enough."""

import pytest

from sidecar.model.identity import Method
from tests.fronts.proxy.rehearsal.refused import ROWS
from tests.fronts.proxy.rehearsal.refused_row import VIEWER, Row
from tests.fronts.proxy.rehearsal.rehearsing import a_caller, a_text, asking, explained

SCHEMA = b'{"type": "object", "properties": {"a": {"type": "integer"}}}'


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_refusal_names_the_change_that_mends_it(row: Row) -> None:
    explanation = explained(
        a_text(row.policy, {"s.json": SCHEMA}, row.head), row.asked, row.answers
    )
    assert (explanation.played.word, explanation.played.step) == ("refuse", row.step)
    first, *_ = explanation.tried
    assert row.mend in first.mend.words
    assert first.is_enough is row.is_enough
    assert str(first.where or "") == row.where or not row.where
    assert (first.where is not None) == bool(row.where)


def test_a_change_that_is_not_enough_says_what_refuses_next() -> None:
    text = a_text("routes: [{path: /x, methods: [GET], role: developer}]")
    explanation = explained(text, asking("/x", "POST", principal=VIEWER))
    first, *_ = explanation.tried
    assert not first.is_enough
    assert first.played is not None
    assert first.played.step == "authorize"


def test_what_is_enough_comes_first() -> None:
    text = a_text(
        "cors: {origins: ['https://a.example'], methods: [GET]}\n"
        "routes: [{path: /**, methods: [GET], public: true}]"
    )
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    explanation = explained(text, asking("/", "OPTIONS", preflight))
    assert [one.is_enough for one in explanation.tried] == sorted(
        (one.is_enough for one in explanation.tried), reverse=True
    )


def test_a_change_that_makes_a_policy_which_nobody_could_run_is_not_tried() -> None:
    # No issuer of tokens is there whose tokens the route could accept.
    text = a_text("routes: [{path: /**, role: viewer, authenticate: [api_key]}]")
    caller = a_caller("acme", "viewer", method=Method.JWT)
    explanation = explained(text, asking("/", principal=caller))
    (last,) = [one for one in explanation.tried if one.mend.edit is not None]
    assert "add jwt to authenticate" in last.mend.words
    assert last.played is None
