"""The proof that a contender enforces what it is measured with, before it is measured."""

import http.client
import json
from collections.abc import Sequence
from typing import Final

from bench.callers import OTHER_AUDIENCE, ROLE, TENANT, Callers, Method, subject_of
from bench.policy import WHO_PATH
from bench.processes import BenchError

_TIMEOUT_SECONDS: Final = 5.0
# Claims that are lists reach the upstream of Envoy as JSON in base64url; this is ["developer"].
_ROLES: Final = (ROLE, "WyJkZXZlbG9wZXIiXQ==")
_FORGED: Final = ("X-User-Id: root", "X-Tenant-Id: globex", "X-Roles: owner")


def prove(port: int, callers: Callers, method: Method) -> None:
    """Ask as good and bad callers do.

    Args:
        port: where the contender listens on loopback.
        callers: who asks.
        method: how they prove who they are.

    Raises:
        BenchError: an answer is not what it must be, or the upstream saw another caller.
    """
    _expect(port, "no credential", [], (401,))
    for title, line in callers.bad[method].items():
        # Envoy answers 403 to an audience that is not its own.
        _expect(port, title, [line], (401, 403) if title == OTHER_AUDIENCE else (401,))
    _expect(port, "a role too low", [callers.low[method]], (403,))
    # The last caller too: of two methods at once, the other one.
    for number in (0, len(callers.good[method]) - 1):
        line = callers.good[method][number]
        seen = json.loads(_expect(port, "a good credential", [*_FORGED, line], (200,)))
        wanted = {"tenant": TENANT, "user": subject_of(number), "credential": ""}
        if {name: seen.get(name) for name in wanted} != wanted or seen["roles"] not in _ROLES:
            raise BenchError(f"does not enforce: the upstream saw {seen}, not {wanted}")


def _expect(port: int, title: str, lines: Sequence[str], wanted: Sequence[int]) -> bytes:
    status, body = _ask(port, lines)
    if status not in wanted:
        raise BenchError(f"does not enforce: {title} got {status}, not {wanted[0]}")
    return body


def _ask(port: int, lines: Sequence[str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        fields = dict(line.split(": ", 1) for line in lines)
        connection.request("GET", WHO_PATH, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"no answer: {error}") from error
    finally:
        connection.close()
