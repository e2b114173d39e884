"""Which records a query wants, and which lines are records at all."""

from collections.abc import Mapping

import pytest

from sidecar.knowledge.audit.chain import Head
from sidecar.knowledge.audit.query import Query, record_of
from tests.knowledge.audit.chains import linked

RECORD: Mapping[str, object] = {
    "timestamp": "2026-01-31T09:30:00.125Z",
    "tenant_id": "acme",
    "actor": "id-1",
    "user_id": "ann",
    "action": "key.create",
    "outcome": "admitted",
    "ip_address": "192.0.2.7",
    "request_id": "r1",
}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (Query(), True),
        (Query(tenant="acme"), True),
        (Query(tenant="globex"), False),
        (Query(since="2026-01-31T09:30:00.125Z"), True),
        (Query(since="2026-01-31T09:30:00.126Z"), False),
        (Query(until="2026-01-31T09:30:00.126Z"), True),
        (Query(until="2026-01-31T09:30:00.125Z"), False),
        (Query(actions=("key.create",)), True),
        (Query(actions=("request", "key.*")), True),
        (Query(actions=("keys.*", "key.crea")), False),
        (Query(actions=("key",)), False),
        (Query(outcomes=("refused", "admitted")), True),
        (Query(outcomes=("refused",)), False),
        (Query(actor="id-1"), True),
        (Query(actor="ann"), True),
        (Query(actor="bob"), False),
        (Query(address="192.0.2.7"), True),
        (Query(address="192.0.2.8"), False),
        (Query(request_id="r1"), True),
        (Query(request_id="r2"), False),
        (Query(tenant="acme", actor="bob"), False),
    ],
)
def test_a_query_wants_what_has_all_that_it_names(query: Query, *, wanted: bool) -> None:
    assert query.wants(RECORD) is wanted


@pytest.mark.parametrize("record", [b'{"a":1}', b'{"a":01}'])
def test_a_line_is_a_record_if_it_ends_a_link_of_a_chain(record: bytes) -> None:
    [line] = linked([record], Head(b"web/0/000000000000"))
    found = record_of(line.rstrip(b"\n"))
    assert (found is None) is (b"01" in record)
    assert record_of(record) is None
