"""Bodies, parameters and points in time: whatever comes, a mistake is a BadValueError."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.key_drafts import KeyDraft
from sidecar.lifecycle.moments import read_expiry, read_moment
from sidecar.lifecycle.operations import Call, read_members
from sidecar.model.moments import write_moment
from tests.lifecycle.desks import Installation
from tests.lifecycle.noting import NOW, OPS

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
MEMBERS = st.dictionaries(st.sampled_from([*KeyDraft.model_fields, "other"]), VALUES)


@given(body=st.binary(max_size=200))
def test_no_bytes_make_reading_a_body_fail(body: bytes) -> None:
    with suppress(BadValueError):
        assert isinstance(read_members(body), dict)


@given(members=MEMBERS)
def test_no_members_make_reading_a_draft_fail(members: dict[str, object]) -> None:
    body = json.dumps(members).encode()
    with suppress(BadValueError):
        draft = Call(OPS, {}, {}, read_members(body)).read(KeyDraft)
        assert "other" not in members
        assert set(members) >= draft.model_fields_set


@given(text=st.text(max_size=40) | st.datetimes().map(str) | st.datetimes().map(lambda d: f"{d}Z"))
def test_no_text_makes_reading_a_time_fail(text: str) -> None:
    try:
        moment = read_moment("expires", text, NOW)
    except BadValueError:
        return
    assert write_moment(moment).endswith("Z")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0s", "2027-01-15T08:00:00Z"),
        ("90d", "2027-04-15T08:00:00Z"),
        ("2027-02-01", "2027-02-01T00:00:00Z"),
        ("2027-02-01T12:30:00Z", "2027-02-01T12:30:00Z"),
        ("2027-02-01T12:30:00+02:00", "2027-02-01T10:30:00Z"),
        ("2027-02-01 12:30:00.75Z", "2027-02-01T12:30:00Z"),
    ],
)
def test_a_point_in_time_is_a_span_a_date_or_rfc_3339(text: str, moment: str) -> None:
    assert write_moment(read_moment("expires", text, NOW)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "90",
        "-1d",
        "2027-02-30",
        "2027-02-01T12:30:00",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31",
        "4000d",
    ],
)
def test_what_is_no_point_in_time_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match="expires "):
        read_moment("expires", text, NOW)


def test_an_end_lies_ahead() -> None:
    assert read_expiry("expires", "1s", NOW) == NOW + 1
    with pytest.raises(BadValueError, match="is past"):
        read_expiry("expires", "2027-01-15T08:00:00Z", NOW)


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "", "1e2", "٣", "9" * 30])
async def test_a_page_has_a_length(limit: str) -> None:
    with pytest.raises(BadValueError, match="limit"):
        await Installation().call("GET", "/v1/keys", query={"limit": limit})


@pytest.mark.parametrize(
    "query", [{"after": "\ud800"}, {"after": "a\0"}, {"after": "a" * 129}, {"tenant": "\ud800"}]
)
async def test_a_page_begins_after_an_id(query: dict[str, str]) -> None:
    with pytest.raises(BadValueError):
        await Installation().call("GET", "/v1/keys", query=query)
