"""What the audit and `sidecar explain` say of a refusal, each reason once, and the key behind it.

Which key that is follows from words of the reason in places (`decision/ruling.py`): a step that
says it otherwise would lead to another line of the policy.
"""

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.model.outcome import Refuse
from tests.fronts.proxy.rehearsal.refused import ROWS
from tests.fronts.proxy.rehearsal.refused_row import VIEWER
from tests.fronts.proxy.rehearsal.rehearsing import HEAD, a_caller, a_text, asking, explained
from tests.fronts.proxy.rehearsal.test_mends import SCHEMA

REASONS: Final = Path(__file__).with_name("reasons.txt").read_text()


def posting(body: bytes, kind: str = "application/json") -> Asked:
    return asking("/x", "POST", {"Content-Type": kind}, principal=VIEWER, body=body)


FORM: Final = "application/x-www-form-urlencoded"
MORE: Final = {
    "a caller without a key": (
        "routes: [{path: /x, role: viewer, key_kinds: [publishable]}]",
        asking("/x", principal=a_caller("acme", "viewer", kind=None)),
    ),
    "a login that a route wants": (
        "routes: [{path: /x, role: viewer, logins: [sso]}]",
        asking("/x", principal=VIEWER),
    ),
    "a body that is no JSON": (
        "routes: [{path: /x, role: viewer, body: {schema: s.json}}]",
        posting(b'{"a":'),
    ),
    "a body that names a tenant": (
        "routes: [{path: /x, role: viewer, bind: {json: {/org: tenant}}}]",
        posting(b'{"org": "globex"}'),
    ),
    "a form with a forbidden field": (
        "routes: [{path: /x, role: viewer, forbid: {form: [db]}}]",
        posting(b"db=1", FORM),
    ),
    "a storage key of others": (
        "routes: [{path: /x, role: viewer, storage_keys: {json: [/key]}}]",
        posting(b'{"key": "globex/a"}'),
    ),
}


class Told(NamedTuple):
    """What is told of a refusal: its code, why, and the key; empty for what is built in."""

    code: str
    reason: str
    key: str


def rows() -> dict[str, Told]:
    found = {}
    for line in REASONS.splitlines()[1:]:
        name, *told = (part.strip() for part in line.split("|"))
        found[name] = Told(*told)
    return found


@pytest.mark.parametrize(("name", "expected"), rows().items(), ids=rows())
def test_a_refusal_is_told_with_its_reason_and_the_key_behind_it(name: str, expected: Told) -> None:
    found = ROWS.get(name)
    policy, asked = MORE[name] if found is None else (found.policy, found.asked)
    head, answers = (HEAD, None) if found is None else (found.head, found.answers)
    explanation = explained(a_text(policy, {"s.json": SCHEMA}, head), asked, answers)
    refusal = explanation.played.outcome
    assert isinstance(refusal, Refuse)
    key = "" if explanation.key is None else explanation.key.key
    assert Told(refusal.code.name, refusal.reason, key) == expected


def test_each_reason_of_the_table_stands_there_once() -> None:
    reasons = [row.reason for row in rows().values()]
    assert len(set(reasons)) == len(reasons)
