"""What is shown of an exchange holds no secret, and obeys no terminal."""

import json
from dataclasses import replace
from inspect import isgetsetdescriptor, ismemberdescriptor

import pytest

from sidecar.decision.facts import (
    REDACTED,
    query_names,
    shown,
    shown_head,
    shown_line,
    shown_principal,
    shown_refusal,
    shown_taken,
    text_of,
)
from sidecar.model.body import Fault
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Method, Principal
from sidecar.model.limits import Count, Limit, Outcome, Taken
from sidecar.model.mcp import Rpc, ToolCall
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_plan, a_principal, a_target, a_tenant, an_exchange

CANARY = b"c4n4ry"
LINES = (
    b"Authorization: Bearer " + CANARY,
    b"Cookie: sid=" + CANARY,
    b"X-API-Key: " + CANARY,
    b"X-Other: " + CANARY,
)


def a_whole_exchange() -> Exchange:
    """Fill every fact, a canary wherever a client or a secret may have one."""
    head = replace(
        a_head(b"POST", b"/orders/7?token=" + CANARY + b"&" + CANARY[:0] + b"x=1", *LINES),
        length=CHUNKED,
    )
    exchange = an_exchange(head)
    exchange.credential_lines = {LINES[0]: None, LINES[1]: b"Cookie: other=" + CANARY}
    exchange.upstream_authorization = CANARY
    exchange.upstream_path = head.target
    exchange.upstream_lines = [b"Host: a\r\nX-User-Id: ada", *LINES]
    exchange.identity_lines = [b"X-User-Id: ada\r\nX-Sidecar-Assertion: eyJhbGci.eyJ." + CANARY]
    exchange.nonce = CANARY
    exchange.principal = a_principal("acme", "viewer")
    exchange.tenant = exchange.named_tenant = a_tenant("acme")
    exchange.roles = ("viewer",)
    exchange.tier = "pro"
    exchange.target = a_target()
    exchange.route = a_plan("/orders/{order}")
    exchange.segments = ("orders", "7")
    exchange.preflight = (b"Access-Control-Allow-Origin: https://a.example",)
    exchange.rpc = Rpc((ToolCall("search", "00"),))
    exchange.shadow.append(Refuse(RefusalCode.FORBIDDEN, "no"))
    exchange.response_lines = [b"Set-Cookie: sid=" + CANARY]
    exchange.client = "198.51.100.7"
    exchange.body_limit = 5
    exchange.is_secure = False
    return exchange


# Compiled, a class has its attributes as others have their slots.
FACTS = sorted(
    name
    for name, one in vars(Exchange).items()
    if (ismemberdescriptor(one) or isgetsetdescriptor(one))
    and name not in {"refused_by", "refusal", "status"}
)


def test_no_secret_is_shown_whatever_the_fact() -> None:
    exchange = a_whole_exchange()
    written = json.dumps({fact: shown(exchange, fact) for fact in FACTS})
    assert CANARY.decode() not in written
    assert "token=…" in json.loads(json.dumps(query_names(exchange.upstream_path)))
    assert "X-Other" in written


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ("client", "198.51.100.7"),
        ("body_limit", 5),
        ("is_secure", False),
        ("own_id", "0190a4c2-7d10-7abc-8def-0123456789ab"),
        ("now", "2027-01-15T08:00:00Z"),
        ("connection", {"peer": "198.51.100.7", "tls": False, "port": 8080}),
        ("credential_lines", ["Authorization", "Cookie"]),
        ("identity_lines", ["X-User-Id: ada", f"X-Sidecar-Assertion: {REDACTED}"]),
        ("nonce", "(random)"),
        ("preflight", ["Access-Control-Allow-Origin: https://a.example"]),
        ("response_lines", [f"Set-Cookie: {REDACTED}"]),
        ("roles", ["viewer"]),
        ("route", "/orders/{order}"),
        ("rpc", {"tools": ["search"]}),
        ("segments", ["orders", "7"]),
        ("shadow", [{"code": "FORBIDDEN", "reason": "no"}]),
        ("slots", 0),
        ("taken", []),
        ("target", "http://127.0.0.1:3000"),
        ("tenant", {"id": "acme", "status": "active", "tier": None}),
        ("upstream_authorization", REDACTED),
        ("upstream_path", "/orders/7?token=…&x=…"),
        (
            "upstream_lines",
            ["Host", "X-User-Id", "Authorization", "Cookie", "X-API-Key", "X-Other"],
        ),
    ],
)
def test_a_fact_is_shown(fact: str, expected: object) -> None:
    assert shown(a_whole_exchange(), fact) == expected


def test_a_fact_that_nobody_wrote_is_not_there() -> None:
    assert shown(an_exchange(), "client") is None


def test_a_head_is_shown_by_its_names() -> None:
    found = shown_head(a_whole_exchange().head or a_head())
    assert found["fields"] == ["Host", "Authorization", "Cookie", "X-API-Key", "X-Other"]
    assert (found["body"], found["host"]) == ("chunked", "shop.example")
    assert shown_head(a_head(host=None))["host"] is None
    assert shown_head(a_head())["body"] == 0


def test_a_line_is_shown_unless_it_is_secret() -> None:
    assert shown_line(b"X-Tier: pro") == ("X-Tier", "pro")
    assert shown_line(b"X-Mine: a", frozenset({"x-mine"})) == ("X-Mine", REDACTED)


def test_nobody_is_shown_as_nobody() -> None:
    assert shown_principal(Principal(Method.API_KEY, "", "", memberships={})) == {"nobody": True}


def test_a_refusal_is_shown_with_its_places() -> None:
    refusal = Refuse(RefusalCode.UNPROCESSABLE, "no", faults=(Fault("/a", "must be text"),))
    assert shown_refusal(refusal)["faults"] == [{"pointer": "/a", "detail": "must be text"}]


def test_charges_are_shown_with_what_is_left() -> None:
    count = Count(True, 4, 0)  # noqa: FBT003 -- there is room
    taken = Taken(Limit("a/5/1/0", "address", 5, 1), count, Outcome.ADMITTED)
    assert shown_taken([taken]) == [
        {"limit": "address", "outcome": "admitted", "most": 5, "left": 4}
    ]


@pytest.mark.parametrize("text", ["\x1b[31m", "a\x07", "\u202e"])
def test_what_would_steer_a_terminal_is_spelled_out(text: str) -> None:
    assert text_of(text.encode()).isprintable()
    exchange = an_exchange()
    exchange.client = text
    assert str(shown(exchange, "client")).isprintable()
    exchange.segments = (text,)
    assert all(one.isprintable() for one in shown(exchange, "segments") or ())  # type: ignore[attr-defined]  # a list


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/a?c4n4ry", "/a?…"),
        (b"/a?b=c4n4ry&c4n4ry&d=", "/a?b=…&…&d=…"),
        (b"/a?=c4n4ry", "/a?=…"),
        (b"/a?", "/a?…"),
        (b"/a", "/a"),
    ],
)
def test_a_query_is_shown_by_the_names_of_what_has_one(target: bytes, expected: str) -> None:
    assert query_names(target) == expected


def test_members_of_a_client_are_not_shown_where_they_were_joined_anew() -> None:
    assert shown_line(b"tracestate: a=c4n4ry,b=1") == ("tracestate", REDACTED)
