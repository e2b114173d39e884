"""What another policy changes, all of it.

The policy's own keys are judged by their tables, routes by the requests that have them: for each
kind of request it is known which route it had and which it will have, and these two are held to
each other. So moving, splitting and renaming routes changes nothing, and a request that falls to
another route because its own is gone is seen.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from sidecar.decision.diff.changes import Diff, Judging, Side, Spot, Verdict
from sidecar.decision.diff.fingerprint import fingerprint
from sidecar.decision.diff.pairs import CLOSED, OPEN, Kindred, TooManyError, pairs
from sidecar.decision.diff.routes import admitted, judge_routes
from sidecar.decision.diff.rules import CHANGES, NARROWS, WIDENS
from sidecar.decision.diff.special import serves_preflights
from sidecar.decision.diff.tables import TABLES
from sidecar.decision.diff.values import listed
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy


def compare(old: Loaded, new: Loaded) -> Diff:
    """List what another policy changes.

    Args:
        old: the policy that is in force.
        new: the policy that is to be.
    """
    judging = Judging(Side.of(old), Side.of(new))
    for key, rule in TABLES[Policy].items():
        rule(judging, Spot.at(key), getattr(old.policy, key), getattr(new.policy, key))
    try:
        found = pairs(old.policy, new.policy)
    except TooManyError:
        judging.note(CHANGES, Spot.at("routes"), "their templates meet in too many ways to compare")
        found = {}
    for (before, after), requests in found.items():
        _judge_pair(judging, before, after, requests)
    _judge_counters(judging, found)
    return judging.diff(fingerprint(judging.old, judging.new))


def _judge_pair(judging: Judging, old: int, new: int, requests: Sequence[Kindred]) -> None:
    if old >= 0 and new >= 0:
        judge_routes(judging, str(judging.new.policy.routes[new].template), old, new)
    elif old >= 0:
        before, after = judging.old.policy, judging.new.policy
        closed = NARROWS
        if before.cors_of(before.routes[old]) is not None and serves_preflights(after):
            closed = CHANGES  # its preflights, which were judged, may be requests of another
        verdict, what = (closed, "no route") if new == CLOSED else (WIDENS, "passes unjudged")
        _note(judging, verdict, Spot(("routes", old), None), what, requests)
    elif new >= 0:
        whom = admitted(judging.new.policy, judging.new.policy.routes[new])
        verdict, what = (WIDENS, f"admits {whom}") if old == CLOSED else (CHANGES, "has a route")
        _note(judging, verdict, Spot(None, ("routes", new)), what, requests)
    elif old != new:
        verdict = WIDENS if new == OPEN else NARROWS
        judging.note(verdict, Spot.at("mode"), "requests that no route has")


def _judge_counters(judging: Judging, found: Iterable[tuple[int, int]]) -> None:
    """See a route that became several: what is counted by route is counted once in each.

    Limits of a route are its own; where others count by route, those of one template are one.
    """
    policy = judging.old.policy
    followers: dict[int, set[int]] = {}
    names: dict[str, set[str]] = {}
    for old, new in found:
        if min(old, new) >= 0:
            followers.setdefault(old, set()).add(new)
            name = str(policy.routes[old].template)
            names.setdefault(name, set()).add(str(judging.new.policy.routes[new].template))
    section = policy.limits
    general = [*chain(*policy.tiers.values()), section.address, section.key]
    is_by_route = any(limit is not None and "route" in limit.by for limit in general)
    for old, several in followers.items():
        route = policy.routes[old]
        named = names[str(route.template)] if is_by_route else ()
        count = max(len(several) if route.limits else 0, len(named))
        if count > 1:
            spot = Spot(("routes", old, "limits"), None)
            judging.note(WIDENS, spot, f"counted apart in {count} routes")


def _note(
    judging: Judging, verdict: Verdict, spot: Spot, what: str, requests: Sequence[Kindred]
) -> None:
    judging.note(verdict, spot, f"{what}: {listed(str(one) for one in requests)}")
