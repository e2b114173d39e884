"""Every row of the corpora over real sockets: client, sidecar and upstream see what they may."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio

from tests.corpora.client import Client, Conversation
from tests.corpora.corpus import ANSWERS, LEGAL, MALFORMED
from tests.corpora.reader import Message
from tests.corpora.rows import (
    NO_ANSWER,
    After,
    Answer,
    Arrival,
    Legal,
    Malformed,
    Reach,
    Sight,
    Then,
)
from tests.corpora.upstream import RecordingUpstream, a_recording_upstream
from tests.e2e.conftest import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

_POLICY: Final = """
version: 1
listen:
  proxy: 127.0.0.1:0
  admin: 127.0.0.1:0
  timeouts: {{head: 1s, body: 1s}}
upstream:
  url: http://127.0.0.1:{port}
  timeouts: {{response: 3s, idle: 1s}}
audit: {{flush: 10ms}}
routes:
  - {{path: /**, public: true}}
  - {{path: /small/**, public: true, body: {{max: 10B}}}}
  - {{path: /json, public: true, body: {{content_types: [application/json]}}}}
"""
# Codes of design §3, by status; 417 and 426 have none there.
_CODES: Final = {
    400: "BAD_REQUEST",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    431: "HEADERS_TOO_LARGE",
    501: "NOT_IMPLEMENTED",
    502: "BAD_GATEWAY",
    505: "VERSION_NOT_SUPPORTED",
}
_MARKER: Final = b"/marker"
_BARRIER: Final = b"/barrier"
_OURS: Final = (_MARKER, _BARRIER)
_LATE_SECONDS: Final = 0.2


def _get(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n" % target


@dataclass(slots=True)
class Stage:
    """The sidecar between a client and an upstream, and what happened since the curtain rose."""

    upstream: RecordingUpstream
    proxy: Running
    begun: int = 0
    audited: int = 0

    def rise(self, answer: Answer | None = None) -> None:
        """Forget what happened so far; the trail is up to date since the last look at it."""
        self.upstream.answer = answer
        self.upstream.faults.clear()
        self.begun = len(self.upstream.begun)
        self.audited = len(self.proxy.audit)

    def requests(self, *targets: bytes) -> list[Message]:
        """Requests at the upstream since: those for the given targets, or all but our own."""
        since = self.upstream.begun[self.begun :]
        if targets:
            return [request for request in since if request.start[1] in targets]
        return [request for request in since if request.start[1] not in _OURS]

    async def is_audited(self, status: int) -> bool:
        """Say whether an audit record since shows the status, with a reason if it is a refusal."""
        await self.proxy.flush()
        for record in self.proxy.audit[self.audited :]:
            metadata = record["metadata"]
            if isinstance(metadata, Mapping) and metadata.get("status") == status:
                return status < 400 or bool(record["reason"])
        return False

    async def still_serves(self) -> None:
        """Show on two fresh connections that nobody gets another's bytes."""
        for _ in range(2):
            async with self.client() as client:
                await client.send(_get(_BARRIER), methods=[b"GET"])
                heard = await client.listen(1)
            assert [(r.status, r.body) for r in heard.responses] == [(200, _BARRIER)]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Open a connection to the sidecar."""
        client = await Client.connect(self.proxy.port)
        try:
            yield client
        finally:
            client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with (
        a_recording_upstream() as upstream,
        running(_POLICY.format(port=upstream.port)) as proxy,
    ):
        yield Stage(upstream, proxy)


def assert_is_a_problem(response: Message) -> None:
    assert response.values(b"content-type") == [b"application/problem+json"]
    problem = json.loads(response.body)
    assert problem["status"] == response.status
    if response.status in _CODES:
        assert problem["code"] == _CODES[response.status]


# --- malformed requests


@pytest.mark.control("RQ-1")
@pytest.mark.control("RQ-4")
@pytest.mark.control("RQ-7")
@pytest.mark.parametrize(
    ("row", "is_followed"),
    [
        *(pytest.param(row, False, id=f"{row.id}-alone") for row in MALFORMED),
        # What follows a row that is `alone` would be part of it: the silence is the point.
        *(pytest.param(row, True, id=f"{row.id}-followed") for row in MALFORMED if not row.alone),
    ],
)
async def test_a_malformed_request_is_refused_and_the_connection_stays_in_step(
    stage: Stage, row: Malformed, *, is_followed: bool
) -> None:
    stage.rise()
    async with stage.client() as client:
        *writes, last = row.writes
        follower = _get(_MARKER) if is_followed else b""
        await client.send(*writes, last + follower, methods=[b"GET", b"GET"], then=row.then)
        must_end = row.after is After.CLOSED or row.then is Then.EOF
        heard = await (client.listen_to_the_end() if must_end else client.listen(1 + is_followed))
    status = judge_the_client_side(row, heard)
    judge_the_upstream_side(row, stage, status, is_marker_answered=len(heard.responses) == 2)
    await stage.still_serves()
    assert stage.upstream.faults == []
    assert status == NO_ANSWER or await stage.is_audited(status)


def judge_the_client_side(row: Malformed, heard: Conversation) -> int:
    """Check what the client saw, and return the status of the row's answer."""
    assert heard.rest == b""
    if not heard.responses:
        assert heard.has_ended
        assert NO_ANSWER in row.statuses
        return NO_ANSWER
    first, *others = heard.responses
    assert first.is_complete
    assert first.status in row.statuses, first.body
    if first.status >= 400:
        assert_is_a_problem(first)
    if row.after is After.CLOSED:
        assert others == []
        assert heard.has_ended
        assert b"close" in first.values(b"connection")
    else:
        assert [(other.status, other.body) for other in others] in ([], [(200, _MARKER)])
    return first.status


def judge_the_upstream_side(
    row: Malformed, stage: Stage, status: int, *, is_marker_answered: bool
) -> None:
    """Check that nothing arrived that was not to, and no follower but an answered one."""
    reached = stage.requests()
    match row.reach:
        case Reach.NOTHING:
            assert reached == []
        case Reach.PART:
            assert [request for request in reached if request.is_complete] == []
        case Reach.WHOLE:
            assert [request.is_complete for request in reached] == [True] * (status == 200)
    assert len(stage.requests(_MARKER)) == is_marker_answered
    names = {name for request in reached for name, _ in request.fields}
    assert names.isdisjoint(row.absent)


# --- odd requests that are right


@pytest.mark.parametrize("row", LEGAL, ids=lambda row: row.id)
async def test_an_odd_request_that_is_right_arrives_with_one_meaning(
    stage: Stage, row: Legal
) -> None:
    stage.rise()
    async with stage.client() as client:
        await client.send(row.raw, methods=[arrival.method for arrival in row.arrivals])
        heard = await client.listen(len(row.arrivals))
    assert [r.status for r in heard.responses] == [200] * len(row.arrivals)
    assert [r.body for r in heard.responses] == [arrival.target for arrival in row.arrivals]
    assert heard.rest == b""
    judge_the_arrivals(row, stage)
    await stage.still_serves()
    assert stage.upstream.faults == []
    assert await stage.is_audited(200)


def judge_the_arrivals(row: Legal, stage: Stage) -> None:
    """Check that the upstream got the requests of the row, all of them and no more."""
    reached = stage.requests()
    assert [Arrival(r.start[0], r.start[1], r.body) for r in reached] == list(row.arrivals)
    fields = reached[-1].fields
    names = {name for name, _ in row.present}
    assert [field for field in fields if field[0] in names] == list(row.present)
    assert {name for name, _ in fields}.isdisjoint(row.absent)


_HANDFUL: Final = [
    row
    for row in LEGAL
    if (row.production, row.reason)
    in {
        ("HTTP-message", "a body, and the next request in one write"),
        ("Expect", "100-continue with the body at hand"),
        ("chunk-ext", "a quoted value"),
        ("trailer-section", "a field that means no harm"),
    }
]


@pytest.mark.parametrize("row", _HANDFUL, ids=lambda row: row.id)
async def test_an_odd_request_means_the_same_however_it_is_cut(stage: Stage, row: Legal) -> None:
    methods = [arrival.method for arrival in row.arrivals]
    for cut in range(1, len(row.raw)):
        stage.rise()
        async with stage.client() as client:
            await client.send(row.raw[:cut], row.raw[cut:], methods=methods)
            heard = await client.listen(len(methods))
        assert [r.status for r in heard.responses] == [200] * len(methods), f"cut at {cut}"
        judge_the_arrivals(row, stage)
    assert stage.upstream.faults == []
    assert await stage.is_audited(200)


async def test_empty_lines_before_a_request_are_taken_alike_however_they_are_cut(
    stage: Stage,
) -> None:
    raw = b"\r\n\r\n" + _get(b"/row")
    statuses = []
    for cut in range(5):
        async with stage.client() as client:
            await client.send(*filter(None, (raw[:cut], raw[cut:])), methods=[b"GET"])
            heard = await client.listen(1)
        statuses.append([response.status for response in heard.responses])
    assert statuses == statuses[:1] * 5


# --- answers of the upstream


def can_pipeline(row: Answer) -> bool:
    """Tell rows about the silence between two requests, and handshakes: nothing may follow them."""
    return not row.late and b"Upgrade" not in row.request


@pytest.mark.control("RQ-7")
@pytest.mark.parametrize(
    ("row", "is_followed"),
    [
        *(pytest.param(row, False, id=f"{row.id}-in-turn") for row in ANSWERS),
        *(
            pytest.param(row, True, id=f"{row.id}-pipelined")
            for row in ANSWERS
            if can_pipeline(row)
        ),
    ],
)
async def test_an_answer_is_whole_or_refused_and_never_reaches_the_next(
    stage: Stage, row: Answer, *, is_followed: bool
) -> None:
    stage.rise(row)
    methods = [row.request.partition(b" ")[0], b"GET"]
    async with stage.client() as client:
        if is_followed:
            await client.send(row.request + _get(_MARKER), methods=methods)
            heard = await client.listen(2)
        else:
            await client.send(row.request, methods=methods)
            heard = await client.listen(1)
            heard = await ask_again(client, heard, row)
    status = judge_the_answer(row, heard)
    await stage.still_serves()
    assert stage.upstream.faults == []
    assert await stage.is_audited(status)


async def ask_again(client: Client, heard: Conversation, row: Answer) -> Conversation:
    """Ask for the marker on the same connection, if it is still there."""
    if row.late:
        await asyncio.sleep(_LATE_SECONDS)
    if heard.has_ended:
        return heard
    await client.send(_get(_MARKER), methods=[])
    return await client.listen(2)


def judge_the_answer(row: Answer, heard: Conversation) -> int:
    """Check what the client saw of the row, and return the status that it saw."""
    assert b"EVIL" not in heard.received
    assert heard.rest == b""
    first, *others = heard.responses
    sight = sight_of(first)
    assert sight in row.sights, (first.status, first.body)
    if sight is Sight.REFUSED:
        assert_is_a_problem(first)
    if sight is Sight.WHOLE:
        assert (first.status, first.body) == (row.status, row.body)
        assert {name for name, _ in (*first.fields, *first.trailers)}.isdisjoint(row.absent)
    if sight is Sight.CUT:
        assert heard.has_ended
        assert others == []
    assert [(other.status, other.body) for other in others] in ([], [(200, _MARKER)])
    assert others or heard.has_ended
    if b"HTTP/1.0\r\n" in row.request:
        assert heard.interim == []
    return first.status


def sight_of(response: Message) -> Sight:
    if not response.is_complete:
        return Sight.CUT
    return Sight.REFUSED if response.status == 502 else Sight.WHOLE
