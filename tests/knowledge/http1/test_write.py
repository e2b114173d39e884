"""Heads as bytes."""

from http import HTTPStatus

import pytest

from sidecar.knowledge.http1.write import CONTINUE, status_line, write_head
from sidecar.model.refusals import REFUSALS


def test_a_head_ends_with_an_empty_line() -> None:
    assert write_head(b"GET / HTTP/1.1", []) == b"GET / HTTP/1.1\r\n\r\n"
    assert write_head(b"A", [b"X: 1", b"Y: 2\r\nZ: 3"]) == b"A\r\nX: 1\r\nY: 2\r\nZ: 3\r\n\r\n"


@pytest.mark.parametrize("status", sorted({row.status for row in REFUSALS.values()}))
def test_every_refusal_has_a_status_line(status: int) -> None:
    expected = b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())
    assert status_line(status) == expected


def test_continue_is_a_head_of_its_own() -> None:
    assert write_head(status_line(100), []) == CONTINUE
