"""Requests of MCP: what is asked for, who may use what, and what is written for the upstream."""

import dataclasses
import json
from typing import Any

import pytest

from sidecar.decision.mcp import mcp_firewall
from sidecar.decision.steps.mcp import McpFirewall
from sidecar.decision.steps.mcp_forward import McpForward
from sidecar.model.body import Collected
from sidecar.model.exchange import Exchange
from sidecar.model.mcp import Rpc
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.questions import ReadBody
from sidecar.model.refusals import RefusalCode
from tests.builders import a_policy, a_principal, a_target, an_unread_exchange
from tests.decision.steps.known import a_guarded_policy, a_request_of

pytestmark = pytest.mark.control("RQ-6")

JSON = b"Content-Type: application/json"
LISTS = {"tools": {"viewer": ["search"], "developer": ["read_*"]}}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def a_step(mcp: object = LISTS, *, public: bool = False, mode: str = "enforce") -> McpFirewall:
    keys: dict[str, Any] = {"mcp": mcp, "mode": mode}
    policy = a_policy({"path": "/**", **keys}) if public else a_guarded_policy("/**", **keys)
    route = policy.routes[0]
    assert route.mcp is not None
    step = mcp_firewall(policy, route, route.mcp)
    assert isinstance(step, McpFirewall)
    return step


def a_request(
    *lines: bytes, method: bytes = b"POST", length: int = CHUNKED, roles: tuple[str, ...] = ()
) -> Exchange:
    exchange = a_request_of(a_principal("acme"), "/mcp", *lines, method=method)
    assert exchange.head is not None
    exchange.head = dataclasses.replace(exchange.head, length=length)
    exchange.roles = roles
    return exchange


def judged(step: McpFirewall, exchange: Exchange, body: object) -> Outcome:
    asked = step.decide(exchange)
    assert isinstance(asked, Ask)
    assert isinstance(asked.question, ReadBody)
    content = json.dumps(body).encode()
    outcome = step.resume(exchange, asked.question, Collected(len(content), content))
    assert not isinstance(outcome, Ask)
    return outcome


def a_call(name: str, **arguments: object) -> dict[str, object]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


UNREAD = RefusalCode.UNSUPPORTED_MEDIA_TYPE
BAD = RefusalCode.BAD_REQUEST


@pytest.mark.parametrize(
    ("exchange", "code"),
    [
        pytest.param(a_request(), UNREAD, id="no type"),
        pytest.param(a_request(b"Content-Type: text/plain"), UNREAD, id="text"),
        pytest.param(a_request(b"Content-Type: application/x+json"), UNREAD, id="almost JSON"),
        pytest.param(a_request(JSON, JSON), UNREAD, id="two types"),
        pytest.param(a_request(JSON + b"; charset=utf-16"), UNREAD, id="UTF-16"),
        pytest.param(a_request(JSON, b"Content-Encoding: gzip"), UNREAD, id="gzip"),
        pytest.param(a_request(JSON, b"Content-Encoding: br"), UNREAD, id="brotli"),
        pytest.param(a_request(JSON, b"Content_Type: text/plain"), BAD, id="another spelling"),
        pytest.param(a_request(JSON, length=0), BAD, id="nothing"),
        pytest.param(a_request(JSON, method=b"GET"), BAD, id="GET with a body"),
        pytest.param(a_request(JSON, method=b"DELETE", length=9), BAD, id="DELETE with a body"),
        pytest.param(a_request(JSON, method=b"PUT"), RefusalCode.METHOD_NOT_ALLOWED, id="PUT"),
    ],
)
def test_what_carries_no_message_is_refused(exchange: Exchange, code: RefusalCode) -> None:
    outcome = a_step().decide(exchange)
    assert isinstance(outcome, Refuse)
    assert outcome.code is code


def test_websockets_are_refused() -> None:
    exchange = a_request(method=b"GET", length=0)
    assert exchange.head is not None
    exchange.head = dataclasses.replace(exchange.head, is_websocket=True)
    assert isinstance(a_step().decide(exchange), Refuse)


def test_a_head_that_could_not_be_read_is_none_of_its_business() -> None:
    assert a_step().decide(an_unread_exchange()) is PASS


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"HEAD", b"OPTIONS"])
def test_what_has_no_body_passes_and_a_stream_is_filtered(method: bytes) -> None:
    exchange = a_request(method=method, length=0)
    assert a_step().decide(exchange) is PASS
    is_filtered = exchange.rpc is not None and exchange.rpc.filter is not None
    assert is_filtered is (method == b"GET")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Collected(0, b""), BAD),
        (Collected(100_000, None, 7), RefusalCode.PAYLOAD_TOO_LARGE),
        (Refuse(RefusalCode.OVERLOADED, "no room"), RefusalCode.OVERLOADED),
        (None, BAD),
    ],
)
def test_a_body_that_is_not_at_hand_is_refused(answer: object, code: RefusalCode) -> None:
    step, exchange = a_step(), a_request(JSON)
    asked = step.decide(exchange)
    assert isinstance(asked, Ask)
    outcome = step.resume(exchange, asked.question, answer)
    assert isinstance(outcome, Refuse)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("roles", "tool", "passes"),
    [
        (("viewer",), "search", True),
        (("viewer",), "read_all", False),
        (("developer",), "read_all", True),
        (("developer",), "search", True),
        (("owner",), "search", True),
        (("owner",), "read_all", True),
        (("owner",), "delete", False),
        (("viewer", "developer"), "read_all", True),
        (("stranger",), "search", False),
        ((), "search", False),
    ],
)
def test_higher_roles_have_the_tools_of_lower_ones(
    roles: tuple[str, ...], tool: str, passes: bool
) -> None:
    outcome = judged(a_step(), a_request(JSON, roles=roles), a_call(tool))
    assert (outcome is PASS) is passes
    if isinstance(outcome, Refuse):
        assert (outcome.code, outcome.reason) == ("TOOL_NOT_ALLOWED", "tool not allowed")
        assert b'"id":1' in outcome.rpc


def test_on_a_public_route_everybody_is_anonymous() -> None:
    step = a_step({"tools": {"anonymous": ["search"]}}, public=True)
    assert judged(step, a_request(JSON), a_call("search")) is PASS
    assert judged(step, a_request(JSON), a_call("delete")) is not PASS


def test_without_lists_nothing_is_filtered() -> None:
    exchange = a_request(JSON)
    assert judged(a_step({}), exchange, LIST) is PASS
    assert exchange.rpc is not None
    assert exchange.rpc.filter is None


@pytest.mark.parametrize(("mode", "filters"), [("enforce", True), ("shadow", False)])
def test_lists_are_filtered_unless_it_only_watches(mode: str, filters: bool) -> None:
    exchange = a_request(JSON)
    assert judged(a_step(mode=mode), exchange, LIST) is PASS
    assert exchange.rpc is not None
    assert (exchange.rpc.filter is not None) is filters


def test_a_call_alone_is_not_filtered() -> None:
    exchange = a_request(JSON, roles=("viewer",))
    assert judged(a_step(), exchange, a_call("search")) is PASS
    assert exchange.rpc is not None
    assert exchange.rpc.filter is None


@pytest.mark.parametrize(
    ("mcp", "mode", "is_clean", "recorded"),
    [
        ({}, "enforce", False, 0),
        ({"arguments": "clean"}, "enforce", True, 0),
        ({"arguments": "clean"}, "shadow", False, 1),
        ({"arguments": "report"}, "enforce", False, 1),
        ({"arguments": "pass"}, "enforce", False, 0),
    ],
)
def test_text_is_refused_cleaned_reported_or_left_alone(
    mcp: object, mode: str, is_clean: bool, recorded: int
) -> None:
    exchange = a_request(JSON)
    outcome = judged(a_step(mcp, mode=mode), exchange, a_call("x", q="<s>"))
    assert (outcome is PASS) is (mcp != {})
    assert exchange.rpc is not None
    assert (exchange.rpc.content is not None) is is_clean
    assert [refusal.code for refusal in exchange.shadow] == ["UNPROCESSABLE"] * recorded


@pytest.mark.parametrize(
    ("arguments", "text", "passes"),
    [
        ({"add": ["<tool>"]}, "<tool>", False),
        ({"add": ["<tool>"]}, "<s>", False),
        ({"tokens": ["<tool>"]}, "<s>", True),
        ({"tokens": ["<tool>"]}, "<TO\u200bOL>", False),
        ({"invisible": False}, "\u200b", True),
    ],
)
def test_the_list_of_tokens_may_be_another(arguments: object, text: str, passes: bool) -> None:
    outcome = judged(a_step({"arguments": arguments}), a_request(JSON), a_call("x", q=text))
    assert (outcome is PASS) is passes


@pytest.mark.parametrize(("depth", "passes"), [(4, True), (3, False)])
def test_bounds_on_json_are_those_of_the_route(depth: int, passes: bool) -> None:
    policy = a_guarded_policy("/**", mcp={}, body={"json": {"depth": depth}})
    route = policy.routes[0]
    assert route.mcp is not None
    step = mcp_firewall(policy, route, route.mcp)
    assert isinstance(step, McpFirewall)
    outcome = judged(step, a_request(JSON), a_call("x", q=["y"]))
    assert (outcome is PASS) is passes


def forwarded(rpc: Rpc | None, length: int, *lines: bytes) -> list[bytes]:
    exchange = a_request(JSON, *lines, length=length)
    exchange.rpc = rpc
    exchange.target, exchange.request_id = a_target(), b"r"
    exchange.forwarded_for, exchange.is_secure, exchange.is_from_proxy = b"192.0.2.1", True, False
    assert McpForward(None).decide(exchange) is PASS
    return exchange.upstream_lines


CODED = b"Accept-Encoding: gzip"
PART = b"Range: bytes=0-9"
SUM = b"Content-Digest: sha-256=:x:"


def test_a_cleaned_body_is_framed_anew() -> None:
    lines = forwarded(Rpc(content=b"12345"), 9, CODED, SUM)
    assert b"Content-Length: 5" in lines
    assert b"Content-Length: 9" not in lines
    assert CODED in lines
    assert SUM not in lines
    chunked = forwarded(Rpc(content=b"12345"), CHUNKED)
    assert b"Transfer-Encoding: chunked" in chunked
    assert not any(line.startswith(b"Content-Length") for line in chunked)


def test_an_answer_that_is_filtered_comes_plain_and_whole() -> None:
    exchange = a_request(method=b"GET", length=0)
    a_step().decide(exchange)
    lines = forwarded(exchange.rpc, 9, CODED, PART, b"If-None-Match: x", SUM)
    assert b"Accept-Encoding: identity" in lines
    assert not {CODED, PART, b"If-None-Match: x"} & set(lines)
    assert SUM in lines


@pytest.mark.parametrize("rpc", [None, Rpc()])
def test_other_requests_go_on_as_they_came(rpc: Rpc | None) -> None:
    assert {CODED, PART, SUM, b"Content-Length: 9"} <= set(forwarded(rpc, 9, CODED, PART, SUM))


def test_a_head_that_could_not_be_read_is_not_forwarded() -> None:
    assert McpForward(None).decide(an_unread_exchange()) is PASS
