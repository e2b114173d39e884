"""The cost of one decision with many routes against few, in process and without sockets.

Run as `python -m bench.routes` it prints the figures as JSON; the bench runs it so, in the
interpreter of the sidecar and on the core of the contenders.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.contenders import ROOT
from bench.policy import routes
from bench.processes import BenchError, pinned
from bench.results import RouteCost
from sidecar.decision.pipeline import Generation, build
from sidecar.decision.runner import decide, respond
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.message import RequestHead, Upgrade
from sidecar.policy.schema.policy import Policy

FEW: Final = 200
MANY: Final = 20_000
# As many different requests for both, spread over the whole table.
_REQUESTS: Final = 200
_ROUNDS: Final = 15
_PASSES: Final = 20
_NOW: Final = 1_750_000_000.0
_LIMIT_SECONDS: Final = 300
_CLIENT: Final = Connection(peer="192.0.2.7", is_tls=False, port=8080)
_FIELDS: Final = (
    (b"Host", b"orders.example"),
    (b"User-Agent", b"orders-client/1.0"),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Accept-Language", b"en"),
)


def measure_in(python: Path, core: int) -> RouteCost:
    """Measure in another interpreter, on one core.

    Raises:
        BenchError: if it does not run there.
    """
    command = pinned([str(python), "-m", "bench.routes"], core)
    try:
        ran = subprocess.run(  # noqa: S603 - our own command, no shell
            command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"the cost of routes was not measured: {error}") from error
    if ran.returncode != 0:
        last = ran.stderr.strip().rpartition("\n")[2]
        raise BenchError(f"the cost of routes was not measured: {last}")
    return RouteCost(**json.loads(ran.stdout))


def measure() -> RouteCost:
    """Time decisions with both tables in turn, and compare them round by round."""
    few, many = (_Table.of(count) for count in (FEW, MANY))
    few.seconds()
    many.seconds()
    pairs = [(few.seconds(), many.seconds()) for _ in range(_ROUNDS)]
    return RouteCost(
        few=median(pair[0] for pair in pairs) * 1e6,
        many=median(pair[1] for pair in pairs) * 1e6,
        ratio=median(pair[1] / pair[0] for pair in pairs),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A compiled policy and requests that its routes match."""

    generation: Generation
    heads: Sequence[RequestHead]

    @classmethod
    def of(cls, count: int) -> "_Table":
        table = routes(count)
        policy = Policy.model_validate(
            {"version": 1, "upstream": "http://127.0.0.1:3000", "routes": table}
        )
        chosen = random.Random(count).sample(table, _REQUESTS)  # noqa: S311 - the same each time
        return cls(build(policy), [_head(str(row["path"])) for row in chosen])

    def seconds(self) -> float:
        """Time one decision, the mean over some thousand."""
        start = time.perf_counter()
        for _ in range(_PASSES):
            for head in self.heads:
                _decide(self.generation, head)
        return (time.perf_counter() - start) / (_PASSES * len(self.heads))


def _head(template: str) -> RequestHead:
    path = template.replace("{id}", "4711").replace("{order}", "4711").encode()
    return RequestHead(
        method=b"POST" if b"upload" in path else b"GET",
        target=path,
        path=path,
        query=None,
        minor=1,
        fields=_FIELDS,
        host=b"orders.example",
        length=0,
        keeps_alive=True,
        expects_continue=False,
        upgrade=Upgrade.NONE,
        connection_options=frozenset(),
    )


def _decide(generation: Generation, head: RequestHead) -> None:
    exchange = Exchange(_CLIENT, head, _NOW, b"0198c0de-0000-7000-8000-000000000000")
    refusal = decide(generation.edge, exchange, shadow=False)
    plan = exchange.route
    refusal = refusal or decide(plan.steps, exchange, shadow=False)
    if refusal is not None:
        raise BenchError(f"refused: {refusal.reason}")
    exchange.status = 200
    exchange.response_fields = [(b"Content-Type", b"application/json"), (b"Server", b"nginx")]
    respond(plan.response, exchange)


if __name__ == "__main__":
    found = measure()
    sys.stdout.write(json.dumps(asdict(found)))
