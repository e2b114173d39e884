"""What an audit record says, what it never says, and that it keeps to its schema."""

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.adapters.audit.exchanges import Composer, Timestamps
from sidecar.adapters.audit.record import (
    Asked,
    Record,
    encode_record,
    json_schema,
    of_admin,
    of_event,
    of_gap,
)
from sidecar.knowledge.audit.chain import Head, chain_name
from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Event
from sidecar.model.refusals import RefusalCode
from sidecar.model.verdict import Ending, Verdict
from tests.adapters.exchanges import (
    OWN_ID,
    a_head,
    admitted,
    an_exchange,
    an_unreadable_exchange,
    refused,
)
from tests.knowledge.audit.chains import linked

VALIDATOR = jsonschema_rs.validator_for(json_schema().decode())
WHEN = "2027-01-15T08:00:00.250Z"


def as_json(record: Record) -> dict[str, object]:
    (line,) = linked([encode_record(record)], Head(chain_name("web", "0", bytes(6))))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    read: dict[str, object] = json.loads(line)
    VALIDATOR.validate(read)
    return {name: value for name, value in read.items() if name not in ("writer", "seq", "hash")}


def metadata(exchange: Exchange, verdict: Verdict | None = None) -> dict[str, object]:
    found = as_json(Composer().record(exchange, verdict or admitted()))["metadata"]
    assert isinstance(found, dict)
    return found


@pytest.mark.control("AU-1")
def test_the_record_of_an_admitted_request() -> None:
    head = a_head(query=b"token=s3cret", lines=[b"User-AGENT: curl/8.5"])
    assert as_json(Composer().record(an_exchange(head), admitted())) == {
        "id": OWN_ID.decode(),
        "timestamp": WHEN,
        "tenant_id": None,
        "user_id": None,
        "actor": None,
        "action": "request",
        "resource_type": "route",
        "resource_id": "/orders/{id}",
        "ip_address": "192.0.2.1",
        "user_agent": "curl/8.5",
        "outcome": "admitted",
        "reason": None,
        "request_id": "given-by-a-proxy",
        "metadata": {
            "method": "GET",
            "host": "shop.example",
            "path": "/orders/7",
            "status": 200,
            "code": None,
            "step": None,
            "duration_ms": 12.3,
            "upstream_ms": 10.0,
            "received_bytes": 12,
            "sent_bytes": 3456,
        },
    }


def test_a_head_that_could_not_be_read_still_leaves_a_record() -> None:
    verdict = refused(RefusalCode.BAD_REQUEST, "bare LF", "framing")
    read = as_json(Composer().record(an_unreadable_exchange(), verdict))
    assert read["ip_address"] == "198.51.100.4"
    assert read["request_id"] == OWN_ID.decode()
    assert (read["resource_id"], read["reason"], read["user_agent"]) == ("-", "bare LF", None)
    found = metadata(an_unreadable_exchange(), verdict)
    assert (found["method"], found["host"], found["path"]) == (None, None, None)
    assert (found["code"], found["step"]) == ("BAD_REQUEST", "framing")


def test_an_upgraded_connection_is_an_action_of_its_own() -> None:
    verdict = admitted(101, is_upgraded=True)
    assert as_json(Composer().record(an_exchange(), verdict))["action"] == "websocket"


def test_what_shadow_mode_let_pass_is_listed() -> None:
    exchange = an_exchange()
    exchange.shadow.append(Refuse(RefusalCode.FORBIDDEN, "address denied"))
    assert metadata(exchange)["would_refuse"] == [{"code": "FORBIDDEN", "reason": "address denied"}]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(a_head(query=b"s3cret"), id="query"),
        pytest.param(a_head(lines=[b"Authorization: Bearer s3cret"]), id="credential"),
        pytest.param(a_head(lines=[b"Cookie: session=s3cret"]), id="cookie"),
        pytest.param(a_head(lines=[b"X-Api-Key: s3cret"]), id="key"),
        pytest.param(a_head(lines=[b"Referer: https://a.example/?s3cret"]), id="referrer"),
    ],
)
def test_a_record_holds_no_secret_of_the_request(head: RequestHead) -> None:
    assert b"s3cret" not in encode_record(Composer().record(an_exchange(head), admitted()))


def test_what_a_client_can_make_long_is_cut_short() -> None:
    head = a_head(
        b"M" * 99, b"/" + b"p" * 5000, host=b"h" * 999, lines=[b"user-agent: " + b"u" * 999]
    )
    read = as_json(Composer().record(an_exchange(head), refused(reason="r" * 999)))
    found = metadata(an_exchange(head))
    assert isinstance(read["user_agent"], str)
    assert isinstance(read["reason"], str)
    assert (len(read["user_agent"]), len(read["reason"])) == (256, 512)
    assert [len(str(found[name])) for name in ("method", "host", "path")] == [32, 255, 1024]


def test_bytes_that_could_steer_a_terminal_are_spelled_out() -> None:
    head = a_head(path=b"/\x9b2J", lines=[b"User-Agent: \x9b31m\xc3\xa9"])
    read = as_json(Composer().record(an_exchange(head), refused(reason="odd \x9b\x7f\ud800 é")))
    assert read["user_agent"] == r"\x9b31m\xc3\xa9"
    assert read["reason"] == r"odd \x9b\x7f\ud800 é"
    assert metadata(an_exchange(head))["path"] == r"/\x9b2J"


heads = st.builds(
    lambda path, agent, host: a_head(path=path, host=host, lines=[b"User-Agent: " + agent]),
    st.binary(max_size=2000),
    st.binary(max_size=600),
    st.none() | st.binary(max_size=300),
)
verdicts = st.builds(
    lambda ending, code, reason, seconds: Verdict(
        ending, 499, code, reason, "", seconds, seconds, 0, 1 << 40, is_upgraded=False
    ),
    st.sampled_from(Ending),
    st.none() | st.sampled_from(RefusalCode),
    st.text(st.characters(), max_size=600),
    st.floats(0, 1e6),
)


@given(heads, verdicts)
def test_every_record_keeps_to_the_schema(head: RequestHead, verdict: Verdict) -> None:
    exchange = an_exchange(head)
    exchange.shadow.append(Refuse(RefusalCode.FORBIDDEN, verdict.reason))
    as_json(Composer().record(exchange, verdict))


def test_events_beside_requests_keep_to_the_schema() -> None:
    own_id = OWN_ID.decode()
    asked = Asked("G" * 99, "/v1/\x9b" + "p" * 2000, 401)
    denied = of_admin(asked, record_id=own_id, timestamp=WHEN, address=None, reason="no token")
    gap = of_gap(7, record_id=own_id, timestamp=WHEN)
    assert as_json(denied)["action"] == "admin.authenticate"
    assert as_json(gap)["metadata"] == {"dropped": 7}


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.25, WHEN),
        (1_800_000_000.2509, WHEN),
        (1_800_000_000.9999, "2027-01-15T08:00:00.999Z"),
        (1_800_000_001.0, "2027-01-15T08:00:01.000Z"),
    ],
)
def test_a_time_is_rfc_3339_in_utc_cut_to_milliseconds(now: float, text: str) -> None:
    write = Timestamps().text
    assert [write(now), write(now)] == [text, text]


def test_the_record_of_an_action() -> None:
    details = {"prefix": "sk_live_01234567", "grace_seconds": 60.0, "roles": ("a", "b\x1b[31m")}
    event = Event("key.rotate", "ops", "acme", "key", "k1", details=details)
    assert as_json(of_event(event, record_id=OWN_ID.decode(), timestamp=WHEN)) == {
        "id": OWN_ID.decode(),
        "timestamp": WHEN,
        "tenant_id": "acme",
        "user_id": None,
        "actor": "ops",
        "action": "key.rotate",
        "resource_type": "key",
        "resource_id": "k1",
        "ip_address": None,
        "user_agent": None,
        "outcome": "admitted",
        "reason": None,
        "request_id": None,
        "metadata": {
            "details": {
                "prefix": "sk_live_01234567",
                "grace_seconds": 60.0,
                "roles": ["a", "b\\x1b[31m"],
            }
        },
    }


def test_the_record_of_an_action_that_was_not_done() -> None:
    event = Event("key.create", "cli:anna\u202e", None, "key", "k1", "no tenant\x07")
    record = as_json(of_event(event, record_id=OWN_ID.decode(), timestamp=WHEN))
    assert (record["outcome"], record["reason"]) == ("refused", "no tenant\\x07")
    assert record["actor"] == "cli:anna\\u202e"
    assert record["metadata"] == {"details": {}}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, None), (True, True), (7, 7), ({"a": 1}, "{'a': 1}"), (b"raw", "b'raw'")],
)
def test_a_fact_of_an_action_is_shown_plainly(value: object, shown: object) -> None:
    event = Event("key.create", "ops", None, "key", "k1", details={"fact": value})
    record = as_json(of_event(event, record_id=OWN_ID.decode(), timestamp=WHEN))
    assert record["metadata"] == {"details": {"fact": shown}}
