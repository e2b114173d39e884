"""What `explain` says of a request is what the proxy does with it: 200 of them, over sockets."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from sidecar.decision.facts import split_lines
from sidecar.decision.pipeline import build
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.known import NONCE, Careful, fresh_limits
from sidecar.fronts.proxy.rehearsal.play import Played, Stage
from sidecar.model.outcome import Refuse
from tests.corpora.reader import Message
from tests.e2e.callers import admit_all
from tests.e2e.conftest import Running, running
from tests.e2e.wire import Echo, a_client, a_policy, a_service
from tests.fronts.proxy.rehearsal.agreeing import made_up, rich

COUNT: Final = 200
# Made anew for each exchange, or known to a listener alone.
OWN: Final = frozenset((b"x-request-id", b"x-forwarded-port"))


def a_stage(proxy: Running) -> Stage:
    """Rehearse with what the running sidecar knows."""
    outside, policy = proxy.sidecar.proxy.outside, proxy.sidecar.proxy.policy
    clock = lambda: 0.0  # noqa: E731 -- no count runs out
    known = replace(outside.at_hand, limits=fresh_limits(policy, clock), nonces=lambda: NONCE)
    return Stage(build(policy, known), Careful(outside.answers, outside.store), lambda: b"own-id")


async def sent(proxy: Running, asked: Asked) -> Message:
    """Send a request as its bytes are, on a connection of its own."""
    async with a_client(proxy.port) as client:
        await client.send(asked.message())
        return await client.response(asked.method.encode())


def fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b":") for line in split_lines(lines)]
    found = [(name.lower(), value.strip(b" \t")) for name, _, value in pairs]
    return sorted(pair for pair in found if pair[0] not in OWN)


def compare(played: Played, answer: Message, record: Mapping[str, object], echo: Echo) -> None:
    """Compare a rehearsal with what was seen of the exchange on every side."""
    traffic = record["metadata"]
    assert isinstance(traffic, Mapping)
    assert record["resource_id"] == getattr(getattr(played.exchange, "route", None), "name", "-")
    if played.word == "admit":
        assert (record["outcome"], traffic["step"]) == ("admitted", None)
        request = echo.requests[-1]
        assert request.start[1] == played.exchange.upstream_path
        upstream = sorted(pair for pair in request.fields if pair[0] not in OWN)
        assert upstream == fields(played.exchange.upstream_lines)
        return
    assert (answer.status, traffic["status"]) == (played.status, played.status)
    assert traffic["step"] == played.step
    assert isinstance(played.outcome, Refuse) == (record["outcome"] == "refused")
    if isinstance(played.outcome, Refuse):
        assert (traffic["code"], record["reason"]) == (played.outcome.code, played.outcome.reason)
    names = {line.partition(b":")[0].lower() for line in split_lines(played.lines)}
    assert {name for name, _ in answer.fields} - {b"connection"} == names - {b"connection"}
    assert answer.body == (b"" if played.asked.method == "HEAD" else played.body)


async def test_an_explanation_is_what_the_proxy_does(tmp_path: Path) -> None:
    sections = rich(tmp_path)
    del sections["upstream"], sections["version"]
    authentication = sections["authentication"]
    assert isinstance(authentication, dict)
    authentication["failure"] = {"floor": "0s"}
    words: Counter[str] = Counter()
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, **sections), tmp_path) as proxy,
    ):
        await admit_all(proxy.store)
        stage = a_stage(proxy)
        for at, asked in enumerate(made_up(7, COUNT, is_live=True)):
            played = await stage.play(asked)
            answer = await sent(proxy, asked)
            records = await proxy.records()
            assert len(records) == at + 1, asked
            compare(played, answer, records[at], echo)
            words[f"{played.word} {played.step}"] += 1
    assert words["admit "] >= COUNT // 10, words
    assert len(words) >= 10, words
