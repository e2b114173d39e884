"""What the sidecar must reach, and what it should: the floors and goals of `--check`."""

from dataclasses import dataclass
from typing import Final

from bench.results import Results


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its two thresholds.

    Attributes:
        title: what is measured, with its unit.
        floor: missing it fails the check.
        goal: missing it asks for an explanation in the docs; None where there is only a floor.
        is_upper: whether the figure must stay at or below the thresholds.
    """

    title: str
    floor: float
    goal: float | None = None
    is_upper: bool = False

    def is_met(self, figure: float, threshold: float) -> bool:
        """Compare a figure with one of the thresholds."""
        return figure <= threshold if self.is_upper else figure >= threshold


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was measured; None where the run did not measure it."""

    goal: Goal
    figure: float | None

    @property
    def is_missed(self) -> bool:
        """Whether the floor was measured and missed."""
        return self.figure is not None and not self.goal.is_met(self.figure, self.goal.floor)

    @property
    def word(self) -> str:
        """The verdict as the table has it."""
        if self.figure is None:
            return "not measured"
        if self.is_missed:
            return "**floor missed**"
        if self.goal.goal is None or self.goal.is_met(self.figure, self.goal.goal):
            return "reached"
        return "above the floor"


OF_NGINX: Final = Goal("requests/s, of nginx passing through", floor=0.40, goal=0.5)
OF_TRAEFIK: Final = Goal("requests/s, of Traefik", floor=1.2, goal=1.5)
OF_AIOHTTP: Final = Goal("requests/s, of the plain aiohttp proxy", floor=4.0, goal=5.0)
ADDED_MS: Final = Goal("added median latency at 500 requests/s, ms", floor=1.0, is_upper=True)
MEMORY_MB: Final = Goal("RSS after 256 connections, MB", floor=60.0, is_upper=True)
ROUTES: Final = Goal("cost with 20,000 routes, of that with 200", floor=1.1, is_upper=True)
JWT_OF_HAPROXY: Final = Goal("JWT, requests/s, of HAProxy with `jwt_verify`", floor=0.7, goal=0.9)
JWT_OF_ENVOY: Final = Goal(
    "JWT, requests/s, of Envoy with `jwt_authn` and its cache", floor=1.5, goal=1.8
)
# No slower, but for what two medians of one program differ by on a machine that others use.
KEYS_OF_JWT: Final = Goal("API keys, requests/s, of the sidecar with JWT", floor=0.95)
CALLERS_MB: Final = Goal(
    "RSS with keys, JWT and Redis after 256 connections, MB", floor=80.0, is_upper=True
)
# Of a thousand keys SQLite holds every page; of a million it reads some from the system's memory.
KEYS_IN_SQLITE: Final = Goal(
    "verification with 1,000,000 keys, of that with 1,000: SQLite", floor=1.2, is_upper=True
)
KEYS_IN_REDIS: Final = Goal(
    "verification with 1,000,000 keys, of that with 1,000: Redis", floor=1.1, is_upper=True
)
# Starts are timed to 50 ms, a twentieth of one.
START: Final = Goal(
    "start with 1,000,000 keys, of that with 1,000: the slower store", floor=1.2, is_upper=True
)
SHARED_LIMITS: Final = Goal(
    "limits on Redis, requests in a second of the core, of those in memory", floor=0.80
)
LEASED_LIMITS: Final = Goal(
    "limits on Redis by leases, requests in a second of the core, of those in memory", floor=0.92
)
OBSERVED: Final = Goal(
    "audit and metrics, requests in a second of the core, of those without", floor=0.80, goal=0.90
)
OBSERVED_JWT: Final = Goal("the same where callers are known by JWT", floor=0.80, goal=0.90)
FAILURES: Final = Goal("answers that failed under load", floor=0.0, is_upper=True)


def judge(results: Results) -> list[Verdict]:
    """Hold a run against every goal, in the order of the docs."""
    row = results.rows.get("sidecar")
    added = results.added_median("sidecar")
    resident = row.resident_bytes if row else None
    whole = results.callers.get("sidecar-redis")
    with_redis = whole.resident_bytes if whole else None
    parts = (results.rows, results.callers, results.limits, results.observed)
    rows = [row for part in parts for row in part.values()]
    ours = [one.failures for one in rows if one.name.startswith("sidecar")]
    ours += [cost.failures for cost in results.keys.values()]
    return [
        Verdict(OF_NGINX, results.ratio("sidecar", "nginx")),
        Verdict(OF_TRAEFIK, results.ratio("sidecar", "traefik")),
        Verdict(OF_AIOHTTP, results.ratio("sidecar", "aiohttp")),
        Verdict(ADDED_MS, None if added is None else added * 1e3),
        Verdict(MEMORY_MB, None if resident is None else resident / 1e6),
        Verdict(ROUTES, results.routes.ratio if results.routes else None),
        Verdict(JWT_OF_HAPROXY, results.callers_ratio("sidecar-jwt", "haproxy-jwt")),
        Verdict(JWT_OF_ENVOY, results.callers_ratio("sidecar-jwt", "envoy-jwt")),
        Verdict(KEYS_OF_JWT, results.callers_ratio("sidecar-keys", "sidecar-jwt")),
        Verdict(CALLERS_MB, None if with_redis is None else with_redis / 1e6),
        Verdict(KEYS_IN_SQLITE, _key_ratio(results, "SQLite")),
        Verdict(KEYS_IN_REDIS, _key_ratio(results, "Redis")),
        Verdict(START, _start_ratio(results)),
        Verdict(SHARED_LIMITS, results.limits_ratio("sidecar-shared", "sidecar-limits")),
        Verdict(LEASED_LIMITS, results.limits_ratio("sidecar-leased", "sidecar-limits")),
        Verdict(OBSERVED, results.observed_ratio("sidecar")),
        Verdict(OBSERVED_JWT, results.observed_ratio("sidecar-jwt")),
        Verdict(FAILURES, float(sum(ours)) if ours else None),
    ]


def _key_ratio(results: Results, kind: str) -> float | None:
    cost = results.keys.get(kind)
    return cost.ratio if cost else None


def _start_ratio(results: Results) -> float | None:
    ratios = [one.start_ratio for one in results.keys.values() if one.start_ratio is not None]
    return max(ratios, default=None)
