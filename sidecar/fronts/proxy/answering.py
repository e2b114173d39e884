"""What goes to the client: the head of an answer, whole refusals, interim responses."""

from typing import Final

from sidecar.decision.pipeline import Generation
from sidecar.decision.runner import respond
from sidecar.knowledge.http1.write import CONTINUE, status_line, write_head
from sidecar.model.exchange import Exchange
from sidecar.model.message import RequestHead, ResponseHead
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.refusals import REFUSALS
from sidecar.model.route import RoutePlan

CONTINUE_STATUS: Final = 100
SWITCHING_PROTOCOLS: Final = 101
EARLY_HINTS: Final = 103
FIRST_FINAL: Final = 200
OK: Final = 200
NO_CONTENT: Final = 204

_CLOSE: Final = b"Connection: close"
_KEEP_ALIVE: Final = b"Connection: keep-alive"
_CHUNKED: Final = b"Transfer-Encoding: chunked"


def answer_head(
    plan: RoutePlan, exchange: Exchange, head: ResponseHead, *, encodes: bool, keeps_alive: bool
) -> bytes:
    """Write the head of the upstream's answer, as the RESPONSE steps leave it.

    Args:
        plan: the route's plan.
        exchange: the exchange.
        head: the upstream's head.
        encodes: whether the body goes on in chunks of ours.
        keeps_alive: whether the client's connection goes on.
    """
    exchange.status = head.status
    exchange.response_lines = head.lines
    respond(plan.response, exchange)
    lines = exchange.response_lines
    if head.status == NO_CONTENT:
        # RFC 9110 §8.6: a server "MUST NOT send a Content-Length header field" in a 204.
        lines = [line for line in lines if line[:15].lower() != b"content-length:"]
    if encodes:
        lines.append(_CHUNKED)
    _say_how_it_ends(lines, exchange.head, keeps_alive=keeps_alive)
    return write_head(head.start, lines)


def own_parts(
    generation: Generation, plan: RoutePlan, exchange: Exchange, own: Refuse | Respond, date: bytes
) -> tuple[list[bytes], bytes]:
    """Write the field lines and the body of an answer of ours.

    Args:
        generation: the policy in force.
        plan: the route's plan, or the one for exchanges without a route.
        exchange: the exchange.
        own: a refusal (RFC 9457), or what a step answers.
        date: value of Date.
    """
    head = exchange.head
    is_head = head is not None and head.method == b"HEAD"
    if isinstance(own, Respond):
        exchange.status = own.status
        length = [b"Content-Length: %d" % len(own.body)] if own.status != NO_CONTENT else []
        exchange.response_lines = [*length, b"Date: " + date, *own.lines]
        respond(plan.response, exchange)
        return exchange.response_lines, b"" if is_head else own.body
    exchange.refusal = own.code
    exchange.status = OK if own.rpc else REFUSALS[own.code].status
    if own.hides_route:
        plan = generation.unrouted
    if own.rpc:
        content_type, body = b"application/json", own.rpc
    else:
        content_type, body = generation.faces.of(own.code, own.faults, navigates=_navigates(head))
    exchange.response_lines = [
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        b"Date: " + date,
        b"Cache-Control: no-store",
        *own.lines,
    ]
    respond(plan.response, exchange)
    return exchange.response_lines, b"" if is_head else body


def own_answer(exchange: Exchange, lines: list[bytes], body: bytes, *, keeps_alive: bool) -> bytes:
    """Join the parts of an answer of ours, once it is known whether the connection goes on."""
    _say_how_it_ends(lines, exchange.head, keeps_alive=keeps_alive)
    return write_head(status_line(exchange.status), lines) + body


def switch_head(plan: RoutePlan, exchange: Exchange, head: ResponseHead) -> bytes:
    """Write the 101 that makes the connection a WebSocket (RFC 6455 §4.2.2)."""
    exchange.status = SWITCHING_PROTOCOLS
    exchange.response_lines = head.lines
    respond(plan.response, exchange)
    lines = [*exchange.response_lines, b"Connection: Upgrade", b"Upgrade: websocket"]
    return write_head(head.start, lines)


def interim(request: RequestHead, head: ResponseHead, *, awaits_continue: bool) -> bytes:
    """Write an interim response, or nothing where the client could not use it (RFC 9110 §15.2).

    Early hints go on with their links alone: other fields are the final response's to send.
    """
    if request.minor == 0:
        return b""
    if head.status == CONTINUE_STATUS:
        return CONTINUE if awaits_continue else b""
    if head.status == EARLY_HINTS:
        links = [line for line in head.lines if line[:5].lower() == b"link:"]
        return write_head(status_line(EARLY_HINTS), links)
    return b""


def _say_how_it_ends(lines: list[bytes], request: RequestHead | None, *, keeps_alive: bool) -> None:
    if not keeps_alive:
        lines.append(_CLOSE)
    elif request is not None and request.minor == 0:
        lines.append(_KEEP_ALIVE)


def _navigates(head: RequestHead | None) -> bool:
    """Say whether a person waits in a browser: only then is HTML the better answer."""
    if head is None or head.values(b"sec-fetch-mode") != [b"navigate"]:
        return False
    return any(b"text/html" in value for value in head.values(b"accept"))
