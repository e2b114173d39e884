"""Lead what browsers report to the collector of the sidecar's own, and nowhere else (RS-2)."""

from typing import ClassVar, Final

from sidecar.decision.charges import Networks
from sidecar.decision.steps.csp import REPORTS
from sidecar.decision.steps.path import Path
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import RoutePlan, Step, UpstreamTarget

COLLECTOR: Final = UpstreamTarget("", 0, "", b"", None, 0.0, 0, 0.0)
"""Stands where an upstream does: the collector is in the process itself."""

BODY_BYTES: Final = 16_384
"""Largest body of reports."""
A_MINUTE: Final = 60
"""Bodies of reports that one network may send in a minute."""

_TYPES: Final = frozenset((b"application/reports+json", b"application/csp-report"))
_SEGMENTS: Final = tuple(REPORTS[1:].split("/"))
_NETWORKS: Final = 4096
"""Networks that are counted apart; further ones share a count."""
_REST: Final = ""
_MINUTE_SECONDS: Final = 60

_METHOD: Final = Refuse(
    RefusalCode.METHOD_NOT_ALLOWED, "reports are sent by POST", (b"Allow: POST",)
)
_TOO_LARGE: Final = Refuse(RefusalCode.PAYLOAD_TOO_LARGE, "reports above 16 KiB")
_TYPE: Final = Refuse(RefusalCode.UNSUPPORTED_MEDIA_TYPE, "content type is none of reports")


class ReportsPath(Path):
    """The reading of paths where one below `/.sidecar/` is answered."""

    def decide(self, exchange: Exchange) -> Outcome:
        """Write the segments, and let exactly one spelling of the path pass."""
        outcome = super().decide(exchange)
        head = exchange.head
        if isinstance(outcome, Refuse) and head is not None and head.path == REPORTS.encode():
            return PASS
        return outcome


class ReportsRoute(Step):
    """The choice of routes where one path leads to the collector, whatever the policy's routes."""

    name: ClassVar[str] = "route"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "segments"})
    writes: ClassVar[frozenset[str]] = frozenset({"route"})
    can_shadow: ClassVar[bool] = True

    def __init__(self, others: Step, plan: RoutePlan) -> None:
        """Keep where to go.

        Args:
            others: chooses the routes of all other paths.
            plan: ends in `Collect`.
        """
        self._others = others
        self._plan = plan

    def decide(self, exchange: Exchange) -> Outcome | Ask:
        """Write the plan."""
        if exchange.segments != _SEGMENTS:
            return self._others.decide(exchange)
        exchange.route = self._plan
        head = exchange.head
        return PASS if head is not None and head.method == b"POST" else _METHOD


class Collect(Step):
    """Judge a body of reports by its head, and send it to the collector."""

    name: ClassVar[str] = "reports"
    reads: ClassVar[frozenset[str]] = frozenset({"head", "client", "now"})
    writes: ClassVar[frozenset[str]] = frozenset(
        {"body_limit", "target", "upstream_path", "upstream_lines"}
    )
    # Whatever the mode: these never go to the service.
    can_shadow: ClassVar[bool] = False

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._minute = 0
        self._counts: dict[str, int] = {}

    def decide(self, exchange: Exchange) -> Outcome:
        """Write where it goes; refuse what is too large, too often, or no report.

        Controls: RS-2.
        """
        exchange.body_limit = BODY_BYTES
        exchange.target = COLLECTOR
        exchange.upstream_path = b"/"
        exchange.upstream_lines = []
        head = exchange.head
        if head is None:
            return PASS
        if wait := self._wait(exchange):
            lines = (b"Retry-After: %d" % wait,)
            return Refuse(RefusalCode.RATE_LIMITED, "too many reports of an address", lines)
        if head.length > BODY_BYTES:
            return _TOO_LARGE
        types = head.values(b"content-type")
        essence = types[0].partition(b";")[0].strip(b" \t").lower() if types else b""
        return PASS if essence in _TYPES else _TYPE

    def _wait(self, exchange: Exchange) -> int:
        """Count a body; return the seconds until the next one may come, 0 for this one."""
        now = int(exchange.now)
        minute = now // _MINUTE_SECONDS
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        network = self._networks.of(exchange.client)
        if network not in self._counts and len(self._counts) >= _NETWORKS:
            network = _REST
        count = self._counts.get(network, 0)
        if count >= A_MINUTE:
            return _MINUTE_SECONDS - now % _MINUTE_SECONDS
        self._counts[network] = count + 1
        return 0
