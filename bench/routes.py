"""The cost of a request in process with many routes against few: bytes in, bytes out, no sockets.

Run as `python -m bench.routes` it prints the figures as JSON; `bench.route_cost` runs it so, in the
interpreter of the sidecar, where the bench's own libraries are missing.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

from bench.load import FIELDS
from bench.policy import routes
from bench.processes import BenchError
from bench.results import RouteCost
from sidecar.decision.pipeline import Generation, build
from sidecar.decision.runner import decide, respond
from sidecar.knowledge.http1.request import RequestHeadParser, new_hosts, new_request_lines
from sidecar.knowledge.http1.strict import HeadLimits
from sidecar.knowledge.http1.write import status_line, write_head
from sidecar.model.exchange import Connection, Exchange
from sidecar.policy.schema.policy import Policy

FEW: Final = 200
MANY: Final = 20_000
# As many different requests for both, spread over the whole table.
_REQUESTS: Final = 200
_ROUNDS: Final = 15
_PASSES: Final = 20
_NOW: Final = 1_750_000_000.0
_CLIENT: Final = Connection(peer="192.0.2.7", is_tls=False, port=8080)
_FIELDS: Final = "\r\n".join(("Host: orders.example", *FIELDS, ""))
_LIMITS: Final = HeadLimits(start_line=8192, head=32768, fields=100)


def measure() -> RouteCost:
    """Time requests with both tables in turn, and compare them round by round."""
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
    """A compiled policy, a connection's parser, and heads that the routes match."""

    generation: Generation
    parser: RequestHeadParser
    heads: Sequence[bytes]

    @classmethod
    def of(cls, count: int) -> "_Table":
        table = routes(count)
        policy = Policy.model_validate(
            {"version": 1, "upstream": "http://127.0.0.1:3000", "routes": table}
        )
        chosen = random.Random(count).sample(table, _REQUESTS)  # noqa: S311 - the same each time
        parser = RequestHeadParser(_LIMITS, new_request_lines(), new_hosts())
        return cls(build(policy), parser, [_head(str(row["path"])) for row in chosen])

    def seconds(self) -> float:
        """Time one request, the mean over some thousand."""
        start = time.perf_counter()
        for _ in range(_PASSES):
            for head in self.heads:
                self._serve(head)
        return (time.perf_counter() - start) / (_PASSES * len(self.heads))

    def _serve(self, received: bytes) -> tuple[bytes, bytes]:
        head = self.parser.parse(received)
        exchange = Exchange(_CLIENT, head, _NOW, b"0198c0de-0000-7000-8000-000000000000")
        refusal = decide(self.generation.edge, exchange, shadow=False)
        plan = exchange.route
        refusal = refusal or decide(plan.steps, exchange, shadow=False)
        if refusal is not None:
            raise BenchError(f"not admitted: {refusal}")
        exchange.status = 200
        exchange.response_lines = [b"Content-Type: application/json", b"Server: nginx"]
        respond(plan.response, exchange)
        start = head.method + b" " + exchange.upstream_path + b" HTTP/1.1"
        return (
            write_head(start, exchange.upstream_lines),
            write_head(status_line(200), exchange.response_lines),
        )


def _head(template: str) -> bytes:
    path = template.replace("{id}", "4711").replace("{order}", "4711")
    method = "POST" if "upload" in path else "GET"
    return f"{method} {path} HTTP/1.1\r\n{_FIELDS}\r\n".encode()


if __name__ == "__main__":
    found = measure()
    sys.stdout.write(json.dumps(asdict(found)))
