"""What a measurement found: plain values, medians and ratios."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median


def unobserved(name: str) -> str:
    """Name the contender that does what another does and takes no note of it."""
    return f"{name}-unobserved"


@dataclass(slots=True)
class Row:
    """The figures of one contender, or of the upstream itself.

    Attributes:
        name: the contender's.
        rates: requests a second, a round each.
        core_rates: requests for each second that its own process was on a core, a round each.
        failures: requests that were not answered with 2xx or 3xx.
        varied_rates: requests a second when no two are alike, a round each.
        caller_rates: requests a second of many callers in turn, a round each.
        tls_rates: requests a second over TLS, a round each.
        medians: seconds, the median latency at a constant rate, a round each.
        p99s: seconds, the 99th percentile likewise.
        uploads: bytes a second of 1 MB uploads, a round each.
        downloads: bytes a second of 10 MB downloads, a round each.
        resident_bytes: memory after many connections.
    """

    name: str
    rates: list[float] = field(default_factory=list)
    core_rates: list[float] = field(default_factory=list)
    varied_rates: list[float] = field(default_factory=list)
    caller_rates: list[float] = field(default_factory=list)
    tls_rates: list[float] = field(default_factory=list)
    failures: int = 0
    medians: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)
    downloads: list[float] = field(default_factory=list)
    resident_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RouteCost:
    """Microseconds of a request in process with few and with many routes, and their ratio."""

    few: float
    many: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Started:
    """A sidecar on a store.

    Attributes:
        seconds: until its first answer.
        resident_bytes: memory after more keys than it remembers.
        failures: answers to their owners that were not 2xx.
    """

    seconds: float
    resident_bytes: int
    failures: int = 0


@dataclass(slots=True)
class KeyCost:
    """Keys that are not remembered, in a store with many against one with few.

    Attributes:
        few: microseconds of a verification with few keys.
        many: the same with many.
        ratio: of the two, the median of rounds.
        keys: how many are many.
        few_keys: the start on few.
        many_keys: the start on many.
        start_ratio: of how long the starts took, the median of pairs.
    """

    few: float
    many: float
    ratio: float
    keys: int = 0
    few_keys: Started | None = None
    many_keys: Started | None = None
    start_ratio: float | None = None

    @property
    def failures(self) -> int:
        """Count answers that failed, few keys and many."""
        return sum(one.failures for one in (self.few_keys, self.many_keys) if one is not None)


@dataclass(slots=True)
class Results:
    """All of one run.

    Attributes:
        machine: processor, cores, kernel.
        interpreter: the Python of the sidecar.
        seconds: length of a round.
        neighbours: cores that others used, a sample each.
        rows: by name, `direct` among them.
        callers: by name, of those who know who asks; `rates` are with one credential.
        limits: by name, of those who count requests.
        observed: by name, the sidecar with audit and metrics and without.
        versions: of the contenders.
        absent: contenders that did not take part, with the reason.
        keys: cost of many API keys, by the store's kind.
        routes: cost of a request in process with 20,000 routes against 200.
    """

    machine: str
    interpreter: str
    seconds: int
    neighbours: list[float] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    callers: dict[str, Row] = field(default_factory=dict)
    limits: dict[str, Row] = field(default_factory=dict)
    observed: dict[str, Row] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    keys: dict[str, KeyCost] = field(default_factory=dict)
    routes: RouteCost | None = None

    def as_json(self) -> dict[str, object]:
        """Turn into what `json` writes, with the medians worked out."""
        plain: dict[str, object] = asdict(self)
        plain["ratios_to_nginx"] = {name: self.ratio(name, "nginx") for name in self.rows}
        plain["ratios_of_callers_to_haproxy"] = {
            name: self.callers_ratio(name, "haproxy-jwt") for name in self.callers
        }
        plain["added_median_seconds"] = {name: self.added_median(name) for name in self.rows}
        return plain

    def ratio(self, name: str, other: str) -> float | None:
        """Compare two by their rates."""
        return _ratio(self._row(name).rates, self._row(other).rates)

    def callers_ratio(self, name: str, other: str) -> float | None:
        """Compare two by their rates with one credential."""
        return _ratio(self._caller(name).rates, self._caller(other).rates)

    def limits_ratio(self, name: str, other: str) -> float | None:
        """Compare two who count requests, by what each does in a second of its core."""
        return _core_ratio(self.limits, name, other)

    def observed_ratio(self, name: str) -> float | None:
        """Compare a sidecar with the same one without audit and metrics, likewise."""
        return _core_ratio(self.observed, name, unobserved(name))

    def many_ratio(self, name: str, other: str) -> float | None:
        """Compare two by their rates with many callers in turn."""
        return _ratio(self._caller(name).caller_rates, self._caller(other).caller_rates)

    def varied_ratio(self, name: str, other: str) -> float | None:
        """Compare two by their rates when no two requests are alike."""
        return _ratio(self._row(name).varied_rates, self._row(other).varied_rates)

    def tls_ratio(self, name: str, other: str) -> float | None:
        """Compare two by their rates over TLS."""
        return _ratio(self._row(name).tls_rates, self._row(other).tls_rates)

    def added_median(self, name: str) -> float | None:
        """Seconds that a proxy adds to the median latency of the upstream."""
        through, direct = self._row(name), self._row("direct")
        return _difference(through.medians, direct.medians)

    def added_p99(self, name: str) -> float | None:
        """Seconds that a proxy adds to the 99th percentile of the upstream."""
        through, direct = self._row(name), self._row("direct")
        return _difference(through.p99s, direct.p99s)

    def _row(self, name: str) -> Row:
        return self.rows.get(name, Row(name))

    def _caller(self, name: str) -> Row:
        return self.callers.get(name, Row(name))


def _core_ratio(rows: Mapping[str, Row], name: str, other: str) -> float | None:
    mine, theirs = (rows.get(one, Row(one)) for one in (name, other))
    return _ratio(mine.core_rates, theirs.core_rates)


def _ratio(mine: list[float], theirs: list[float]) -> float | None:
    # Round by round: rounds of one number ran side by side, so what slowed one slowed the other.
    return middle([a / b for a, b in zip(mine, theirs, strict=False) if b > 0])


def _difference(through: list[float], direct: list[float]) -> float | None:
    return median(through) - median(direct) if through and direct else None


def middle(figures: list[float]) -> float | None:
    """Take the median, or None of nothing."""
    return median(figures) if figures else None
