"""The corpora keep their promises: enough rows, no row twice, each with its rule."""

import re
from collections import Counter

import pytest

from tests.corpora.corpus import ANSWERS, LEGAL, MALFORMED
from tests.corpora.rows import Answer, Legal, Malformed, Sight

Rows = tuple[Malformed, ...] | tuple[Legal, ...] | tuple[Answer, ...]

_CORPORA = pytest.mark.parametrize(
    "rows",
    [
        pytest.param(MALFORMED, id="malformed requests"),
        pytest.param(LEGAL, id="legal requests"),
        pytest.param(ANSWERS, id="answers"),
    ],
)


def test_at_least_150_malformed_requests_and_40_malformed_answers() -> None:
    bad_answers = [row for row in ANSWERS if Sight.WHOLE not in row.sights]
    assert len(MALFORMED) >= 150
    assert len(bad_answers) >= 40
    assert len(LEGAL) >= 30


@_CORPORA
def test_no_two_rows_have_the_same_production_and_reason(rows: Rows) -> None:
    twice = [
        key for key, times in Counter((r.production, r.reason) for r in rows).items() if times > 1
    ]
    assert not twice


@_CORPORA
def test_no_two_rows_have_the_same_bytes(rows: Rows) -> None:
    # Two reasons for one attack would be padding. An answer is told apart by what follows it too.
    keys = Counter(
        (r.raw, r.request, r.late, r.then)
        if isinstance(r, Answer)
        else (r.raw, r.then if isinstance(r, Malformed) else None)
        for r in rows
    )
    assert [key for key, times in keys.items() if times > 1] == []


@_CORPORA
def test_names_are_unique(rows: Rows) -> None:
    assert [name for name, times in Counter(r.id for r in rows).items() if times > 1] == []


@_CORPORA
def test_every_row_names_a_section_of_an_rfc(rows: Rows) -> None:
    assert [r.id for r in rows if not re.match(r"RFC \d{4} §\d", r.rule)] == []


def test_every_malformed_request_has_a_status_of_the_table() -> None:
    known = {0, 200, 400, 408, 413, 414, 415, 417, 426, 431, 501, 505}
    assert [r.id for r in MALFORMED if not r.statuses or not r.statuses <= known] == []
