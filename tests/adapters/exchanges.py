"""Exchanges and verdicts as the driver hands them to its ledgers."""

from collections.abc import Sequence

from sidecar.model.exchange import Connection, Exchange
from sidecar.model.message import RequestHead
from sidecar.model.refusals import REFUSALS, RefusalCode
from sidecar.model.route import RoutePlan, Timeouts
from sidecar.model.verdict import Ending, Verdict
from tests.builders import told_apart

OWN_ID = b"0190a4c2-7d10-7abc-8def-0123456789ab"


def a_head(
    method: bytes = b"GET",
    path: bytes = b"/orders/7",
    *,
    query: bytes | None = None,
    host: bytes | None = b"shop.example",
    lines: Sequence[bytes] = (),
) -> RequestHead:
    named, passing = told_apart(lines)
    return RequestHead(
        method=method,
        target=path if query is None else path + b"?" + query,
        path=path,
        query=query,
        minor=1,
        lines=list(lines),
        named=named,
        passing=passing,
        host=host,
        length=0,
        keeps_alive=True,
        expects_continue=False,
        is_websocket=False,
        connection_options=frozenset(),
    )


def an_exchange(head: RequestHead | None = None, route: str = "/orders/{id}") -> Exchange:
    """Make an exchange that went through the EDGE steps."""
    exchange = Exchange(
        Connection("10.0.0.9", is_tls=False, port=8080),
        a_head() if head is None else head,
        1_800_000_000.25,
        OWN_ID,
    )
    exchange.client = "192.0.2.1"
    exchange.request_id = b"given-by-a-proxy"
    exchange.route = RoutePlan(route, (), (), Timeouts(1.0, 1.0, 1.0, 1.0), shadow=False)
    return exchange


def an_unreadable_exchange() -> Exchange:
    """Make an exchange whose head could not be parsed: no step ran."""
    connection = Connection("198.51.100.4", is_tls=False, port=8080)
    return Exchange(connection, None, 1_800_000_000.0, OWN_ID)


def admitted(
    status: int = 200,
    *,
    seconds: float = 0.0123,
    is_upgraded: bool = False,
    own_seconds: float | None = None,
) -> Verdict:
    return Verdict(
        Ending.ADMITTED, status, None, "", "", seconds, 0.01, 12, 3456, is_upgraded, own_seconds
    )


def refused(
    code: RefusalCode = RefusalCode.NOT_FOUND, reason: str = "no route", step: str = "route"
) -> Verdict:
    status = REFUSALS[code].status
    return Verdict(
        Ending.REFUSED, status, code, reason, step, 0.0005, None, 0, 120, is_upgraded=False
    )
