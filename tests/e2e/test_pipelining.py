"""A law: however requests are pipelined and cut, each gets the answer that it gets alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpora.reader import Message
from tests.e2e.conftest import Running, running
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES: Final = [{"path": "/**", "public": True, "methods": ["GET", "POST"], "body": {"max": "9B"}}]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that leaves its connection open, whatever becomes of it."""

    raw: bytes
    method: bytes = b"GET"


def chunks(*pieces: bytes) -> bytes:
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return get(b"/c", b"Transfer-Encoding: chunked", method=b"POST") + coded + b"0\r\n\r\n"


# The last two are refused with their bodies unread: what follows must not be read as a request.
KINDS: Final = (
    Asked(get(b"/a")),
    Asked(get(b"/b?q=1", b"X-A: b")),
    Asked(get(b"/h", method=b"HEAD"), b"HEAD"),
    Asked(post(b"GET / H", b"/p")),
    Asked(post(b"", b"/e")),
    Asked(chunks(b"GET", b" / HT")),
    Asked(get(b"//")),
    Asked(get(b"/d", method=b"DELETE")),
    Asked(b"\r\n" + get(b"/l")),
    Asked(post(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", b"/long")),
    Asked(get(b"/n", b"Content-Length: 3", method=b"PUT") + b"abc"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy() -> AsyncIterator[Running]:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, routes=ROUTES)) as sidecar,
    ):
        yield sidecar


def shown(answer: Message) -> tuple[int, bytes, list[bytes]]:
    return answer.status, answer.body, answer.values(b"content-length")


async def alone(port: int, asked: Asked) -> tuple[int, bytes, list[bytes]]:
    async with a_client(port) as client:
        await client.send(asked.raw)
        return shown(await client.response(asked.method))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 1200), max_size=6),
)
async def test_pipelined_and_cut_requests_get_the_answers_that_they_get_alone(
    proxy: Running, kinds: list[Asked], cuts: list[int]
) -> None:
    raw = b"".join(asked.raw for asked in kinds)
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    async with a_client(proxy.port) as client:
        answers = []
        for begin, end in pairwise(places):
            await client.send(raw[begin:end])
            await asyncio.sleep(0.001)
        for asked in kinds:
            answers.append(await client.response(asked.method))
            if answers[-1].values(b"connection") == [b"close"]:
                break  # a refusal whose body had not come yet: nothing behind it is read
        else:
            assert client.waiting == b""
    expected = [await alone(proxy.port, asked) for asked in kinds[: len(answers)]]
    assert [shown(answer) for answer in answers] == expected
