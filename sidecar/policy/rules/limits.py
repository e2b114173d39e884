"""Rules about limits: those that could never be met, that count nobody, or that are not shared."""

from collections.abc import Iterator
from itertools import chain, groupby
from typing import Final

from sidecar.model.limits import RATE_PART
from sidecar.policy.nodes import Path, as_written, key_path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.limits import ANONYMOUS, Limit, TierLimit
from sidecar.policy.schema.routes import Route

_EDGE: Final = frozenset({"address"})
_PUBLIC: Final = frozenset({"address", "route"})
_WHEN: Final = {_EDGE: "before", _PUBLIC: "without"}
_HEADER: Final = "header:"


def _all(judged: Judged) -> Iterator[tuple[Path, Limit]]:
    policy = judged.policy
    section = policy.limits
    for name in ("address", "key", "failed_authentication"):
        limit = getattr(section, name)
        if limit is not None:
            yield ("limits", name), limit
    yield from _of_tiers(judged)
    for index, route in enumerate(policy.routes):
        yield from _of_route(index, route)


def _of_tiers(judged: Judged) -> Iterator[tuple[Path, TierLimit]]:
    for tier, limits in judged.policy.tiers.items():
        for at, limit in enumerate(limits):
            yield ("tiers", tier, at), limit


def _of_route(index: int, route: Route) -> Iterator[tuple[Path, Limit]]:
    for at, limit in enumerate(route.limits):
        yield ("routes", index, "limits", at), limit


def counted_by_nobody(judged: Judged) -> Findings:
    """Parts that are not known where the limit stands: everybody would share one counter."""
    for path, limit, known in _of_strangers(judged):
        for part in _unknown(limit, known):
            yield judged.error(
                (*path, "by"),
                f"no {part} is known {_WHEN[known]} authentication",
                f"{', '.join(sorted(known))} or header:NAME",
            )


def _unknown(limit: Limit, known: frozenset[str]) -> list[str]:
    return [part for part in limit.by if part not in known and not part.startswith(_HEADER)]


def _of_strangers(judged: Judged) -> Iterator[tuple[Path, Limit, frozenset[str]]]:
    """List the limits of requests whose caller is not known, and what is known of those."""
    policy = judged.policy
    for name in ("address", "failed_authentication"):
        limit = getattr(policy.limits, name)
        if limit is not None:
            yield ("limits", name), limit, _EDGE
    anonymous = (found for found in _of_tiers(judged) if found[0][1] == ANONYMOUS)
    routes = (_of_route(i, one) for i, one in enumerate(policy.routes) if one.public)
    for path, limit in chain(anonymous, *routes):
        yield path, limit, _PUBLIC


def clients_choose(judged: Judged) -> Findings:
    """Counters that clients choose themselves, whatever else they count by, and no other limit."""
    groups = groupby(_all(judged), lambda found: _list_of(found[0]))
    chosen = [found for _, beside in groups if _are_chosen(found := list(beside))]
    for path, _ in chain.from_iterable(chosen):
        yield judged.warning(
            (*path, "by"),
            "a client that changes the header has a new allowance",
            "a limit beside it that does not count by the header, or the header left out",
        )


def _list_of(path: Path) -> Path:
    """Name the list that a limit stands in; itself where it stands alone."""
    return path[:-1] if isinstance(path[-1], int) else path


def _are_chosen(limits: list[tuple[Path, Limit]]) -> bool:
    return all(any(part.startswith(_HEADER) for part in limit.by) for _, limit in limits)


def costs_above_the_limit(judged: Judged) -> Findings:
    """Requests that cost more than can ever be had."""
    for index, path, most in _charged(judged):
        cost = judged.policy.routes[index].cost
        if cost > most:
            written = key_path(as_written(judged.root, path))
            yield judged.error(
                ("routes", index, "cost"),
                f"{cost} is more than {written} ever admits: {most}",
                "a lower cost, or a larger limit or burst",
            )


def _charged(judged: Judged) -> Iterator[tuple[int, Path, int]]:
    """List routes, the limits that they are charged to, and what these admit at once."""
    key = judged.policy.limits.key
    for index, route in enumerate(judged.policy.routes):
        found = [*_tiers_of(judged, route), *_of_route(index, route)]
        if key is not None and not route.public:
            found.insert(0, (("limits", "key"), key))
        rates = [one for one in found if one[1].concurrency is None]
        for path, limit in rates:
            yield index, path, _most(judged, limit)


def _tiers_of(judged: Judged, route: Route) -> list[tuple[Path, Limit]]:
    if route.replace_limits:
        return []
    return [
        (path, limit)
        for path, limit in _of_tiers(judged)
        if not route.public or path[1] == ANONYMOUS
    ]


def _most(judged: Judged, limit: Limit) -> int:
    if limit.burst is not None:
        leases = judged.policy.limits.lease and judged.policy.state.is_redis
        is_leased = leases and limit.burst >= RATE_PART
        return limit.burst - (-(-limit.burst // RATE_PART) if is_leased else 0)
    measure = limit.limit or limit.quota
    return 0 if measure is None else measure.amount


def callers_without_a_tier(judged: Judged) -> Findings:
    """Callers whose tier is none of the policy's, and who would have no limit."""
    policy = judged.policy
    tiers, default = policy.tiers, policy.limits.default_tier
    path: Path = ("limits", "default_tier")
    if default is not None and default not in tiers:
        yield judged.error(
            path,
            f"there is no tier {default}",
            f"one of tiers: {', '.join(tiers)}"
            if tiers
            else f"tiers: {{{default}: {{limit: 60/min, by: subject}}}}",
        )
    guarded = any(not route.public and not route.replace_limits for route in policy.routes)
    if tiers and default is None and ANONYMOUS not in tiers and guarded:
        yield judged.error(
            ("tiers",),
            "callers whose tier is none of these have no limit",
            f"limits: {{default_tier: {next(iter(tiers))}}}, or a tier anonymous",
        )


def limits_of_nobody(judged: Judged) -> Findings:
    """Limits of callers where nobody is asked who they are."""
    policy = judged.policy
    section = policy.limits
    if section.key is not None and policy.authentication.api_keys is None:
        yield judged.error(
            ("limits", "key"), "there are no API keys", "authentication: {api_keys: {}}"
        )
    if section.failed_authentication is not None and not policy.authentication.has_methods:
        yield judged.error(
            ("limits", "failed_authentication"),
            "nobody has to authenticate",
            "a section authentication, or take it out",
        )


def counts_of_one_process(judged: Judged) -> Findings:
    """Several processes, each with counts of its own: a caller would have several allowances."""
    policy = judged.policy
    if policy.has_limits and policy.workers > 1 and not policy.state.is_redis:
        yield judged.error(
            ("workers",),
            f"{policy.workers} processes would count apart: the state store is not Redis",
            "state: redis://host:6379/0, or workers: 1",
        )


def failures_of_no_store(judged: Judged) -> Findings:
    """What is to hold while a server is away, where there is none."""
    policy = judged.policy
    if policy.state.is_redis:
        return
    for path, limit in _all(judged):
        if limit.on_store_failure != "refuse":
            yield judged.warning(
                (*path, "on_store_failure"),
                "limits are counted in this process, where no store can fail",
                "take it out, or state: redis://host:6379/0",
            )
    if policy.limits.strict:
        yield judged.warning(
            ("limits", "strict"),
            "limits are counted in this process, and its counts end with it",
            "take it out, or state: redis://host:6379/0",
        )


def limits_that_open(judged: Judged) -> Findings:
    """Limits that guard authentication and that a store failure would switch off."""
    for name in ("address", "failed_authentication"):
        limit = getattr(judged.policy.limits, name)
        if limit is not None and limit.on_store_failure == "allow":
            yield judged.warning(
                ("limits", name, "on_store_failure"),
                "whoever brings the store down may guess without end",
                "refuse or local",
            )


def bounds_below_the_rate(judged: Judged) -> Findings:
    """Bounds for tenants' own rates that are below the rate of everybody else."""
    for path, limit in _of_tiers(judged):
        most, rate = limit.custom_max, limit.limit
        if most is not None and rate is not None and rate.exceeds(most):
            yield judged.error(
                (*path, "custom_max"),
                f"is below {rate}, the rate of the tier",
                "a larger rate, over the same time",
            )


def rates_of_everybody(judged: Judged) -> Findings:
    """Rates of tenants' own that are not counted by tenant."""
    for path, limit in _of_tiers(judged):
        if limit.custom_max is not None and "tenant" not in limit.by:
            yield judged.error(
                (*path, "by"),
                "a tenant's own rate is counted without the tenant",
                "[subject, tenant] or tenant",
            )
