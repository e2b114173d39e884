"""Answers of the admin and health listeners: JSON, never cached, with the preset `api`."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from sidecar.decision.steps.security_headers import SecurityHeaders
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.problem import JSON_TYPE, problem_body
from sidecar.model.refusals import REFUSALS, RefusalCode
from sidecar.policy.schema.headers import Headers

_CODES: Final[Mapping[int, RefusalCode]] = {
    400: RefusalCode.BAD_REQUEST,
    401: RefusalCode.UNAUTHORIZED,
    403: RefusalCode.FORBIDDEN,
    404: RefusalCode.NOT_FOUND,
    405: RefusalCode.METHOD_NOT_ALLOWED,
    413: RefusalCode.PAYLOAD_TOO_LARGE,
    503: RefusalCode.OVERLOADED,
}
_CHALLENGE: Final = 'Bearer realm="sidecar"'


def _security_fields() -> tuple[tuple[str, str], ...]:
    """Collect what the preset `api` gives a route of the proxy: these answers get the same."""
    exchange = Exchange(Connection(peer="", is_tls=False, port=0), None, 0.0, b"")
    SecurityHeaders(Headers()).apply(exchange)
    lines = b"\r\n".join(exchange.response_lines).decode().split("\r\n")
    return tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))


_FIELDS: Final = (*_security_fields(), ("Cache-Control", "no-store"))


class Answer(web.Response):
    """An answer that says nothing about the software behind it.

    Args:
        status: HTTP status code.
        content_type: with its parameters.
        body: the whole body.
        fields: fields beside those that every answer has.
    """

    def __init__(
        self,
        status: int,
        content_type: str,
        body: bytes,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        headers = [*_FIELDS, ("Content-Type", content_type), *fields]
        super().__init__(status=status, body=body, headers=headers)

    async def _prepare_headers(self) -> None:
        # The only place after aiohttp added its own name and version; its signal for this is not
        # sent for requests that its parser refuses.
        await super()._prepare_headers()
        self.headers.popall("Server", None)


def document(content: object, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(status, "application/json", msgspec.json.encode(content))


def refused(code: RefusalCode, detail: str, hint: str = "") -> Answer:
    """Answer an operator who was let in, with Problem Details that say what was wrong.

    Args:
        code: the kind of refusal.
        detail: what was wrong with this call; never a secret.
        hint: how to mend it; empty for none.
    """
    members = {**json.loads(problem_body(code)), "detail": detail}
    if hint:
        members["hint"] = hint
    body = msgspec.json.encode(members)
    return Answer(REFUSALS[code].status, JSON_TYPE.decode(), body)


def problem(status: int, fields: Iterable[tuple[str, str]] = ()) -> Answer:
    """Answer with Problem Details: one status, one sequence of bytes (RFC 9457, AN-6).

    Args:
        status: an HTTP status code; one that these listeners never give becomes 500 or 400.
        fields: fields that the status needs, such as Allow.
    """
    code = _CODES.get(status, RefusalCode.INTERNAL if status >= 500 else RefusalCode.BAD_REQUEST)  # noqa: PLR2004  the class of server errors
    challenge = (("WWW-Authenticate", _CHALLENGE),) if code is RefusalCode.UNAUTHORIZED else ()
    body = problem_body(code)
    return Answer(REFUSALS[code].status, JSON_TYPE.decode(), body, (*challenge, *fields))
