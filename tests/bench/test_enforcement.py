"""Who does not enforce is not measured."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final

import pytest

from bench.callers import OTHER_AUDIENCE, Callers, Method, make_callers
from bench.enforcement import prove
from bench.processes import BenchError

KNOWN: Final = b'{"tenant": "acme", "user": "caller-0", "roles": "developer", "credential": ""}'


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Callers:
    return make_callers(tmp_path_factory.mktemp("callers"))


@contextmanager
def a_proxy(answers: dict[str | None, tuple[int, bytes]], default: int) -> Iterator[int]:
    """Answer by the bearer token; all others get the default status."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.headers.get("Authorization"), (default, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def by_token(callers: Callers) -> dict[str | None, tuple[int, bytes]]:
    """Answer as a proxy must that verifies HS256."""
    good = [line.partition(": ")[2] for line in callers.good[Method.SHARED]]
    last = KNOWN.replace(b"caller-0", f"caller-{len(good) - 1}".encode())
    low = callers.low[Method.SHARED].partition(": ")[2]
    return {good[0]: (200, KNOWN), good[-1]: (200, last), low: (403, b"")}


def test_who_refuses_the_bad_and_names_the_good_has_proved_it(callers: Callers) -> None:
    with a_proxy(by_token(callers), 401) as port:
        prove(port, callers, Method.SHARED)


def test_who_admits_everybody_is_found_out(callers: Callers) -> None:
    with (
        a_proxy({}, 200) as port,
        pytest.raises(BenchError, match="no credential got 200, not 401"),
    ):
        prove(port, callers, Method.SHARED)


@pytest.mark.parametrize("fault", ["a wrong signature", "an expired token", OTHER_AUDIENCE])
def test_who_takes_a_bad_token_is_found_out(callers: Callers, fault: str) -> None:
    line = callers.bad[Method.SHARED][fault].partition(": ")[2]
    answers = {**by_token(callers), line: (200, KNOWN)}
    with a_proxy(answers, 401) as port, pytest.raises(BenchError, match=f"{fault} got 200"):
        prove(port, callers, Method.SHARED)


def test_who_does_not_look_at_roles_is_found_out(callers: Callers) -> None:
    answers = by_token(callers)
    answers[callers.low[Method.SHARED].partition(": ")[2]] = (200, KNOWN)
    with a_proxy(answers, 401) as port, pytest.raises(BenchError, match="role too low got 200"):
        prove(port, callers, Method.SHARED)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(KNOWN.replace(b"caller-0", b"root"), id="the forged subject"),
        pytest.param(KNOWN.replace(b"developer", b"owner"), id="the forged role"),
        pytest.param(KNOWN.replace(b'l": ""', b'l": "Bearer x"'), id="the credential"),
    ],
)
def test_who_tells_the_upstream_wrongly_is_found_out(callers: Callers, seen: bytes) -> None:
    answers = by_token(callers)
    answers[callers.good[Method.SHARED][0].partition(": ")[2]] = (200, seen)
    with a_proxy(answers, 401) as port, pytest.raises(BenchError, match="the upstream saw"):
        prove(port, callers, Method.SHARED)
