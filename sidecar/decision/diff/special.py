"""Keys whose judgement is their own: what depends on more than their value."""

from collections.abc import Callable, Mapping
from typing import Final

from sidecar.decision.diff.changes import Judging, Side, Spot, Verdict
from sidecar.decision.diff.rules import CHANGES, NARROWS, WIDENS, Rule, among, place
from sidecar.decision.diff.values import from_to, is_same, listed
from sidecar.decision.steps.authorize import holders_of
from sidecar.policy.schema.body import JsonBody
from sidecar.policy.schema.cors import Cors
from sidecar.policy.schema.permissions import Grant
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.tenants import Tenant


def judge_networks(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge whose word on the client's address is believed.

    Whoever is no longer believed has the address of the proxy, which a route may admit.
    """
    before, after = frozenset(_items(old)), frozenset(_items(new))
    if before == after:
        return
    verdict = CHANGES if before - after else WIDENS
    judging.note(verdict, spot, f"{len(before)} networks → {len(after)}, not the same")


def _items(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def cors_by(rows: Rule) -> Rule:
    """Judge rules for pages: where they are enforced, none at all admits more.

    A preflight that was judged is an ordinary request without them, for a route that has OPTIONS.

    Args:
        rows: judges those of both.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if isinstance(old, Cors) and isinstance(new, Cors):
            rows(judging, spot, old, new)
        elif isinstance(old, Cors):
            is_open = old.enforce or serves_preflights(judging.new.policy)
            judging.note(CHANGES if is_open else NARROWS, spot, "pages of other origins: none")
        elif isinstance(new, Cors):
            judging.note(CHANGES if new.enforce else WIDENS, spot, "pages of other origins: some")

    return judge


def judge_ring(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge secrets of which any is accepted."""
    if is_same(old, new):
        return
    before, after = _items(old), _items(new)
    is_fewer = bool(after) and all(any(is_same(a, b) for b in before) for a in after)
    verdict = NARROWS if is_fewer and len(after) < len(before) else CHANGES
    judging.note(verdict, spot, f"another content, {len(before)} → {len(after)} of them")


def judge_own_origins(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge origins of a tenant: `tenant_origins: only` binds none that has none."""
    if old and not new:
        judging.note(CHANGES, spot, "no origin of its own any more")
    else:
        _TOOLS(judging, spot, old, new)


def judge_media_types(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge types of bodies: where rules read them, none at all are those that can be read."""
    if old is None and new is not None:
        judging.note(CHANGES, spot, f"only {listed(new if isinstance(new, tuple) else ())}")
    else:
        _LOGINS(judging, spot, old, new)


def tenant_added(one: object) -> Verdict:
    """Judge a tenant that the policy did not know: what it says comes before the store.

    Pages of its origins count before anybody is known, hence where it is suspended too.
    """
    is_shut = isinstance(one, Tenant) and one.status == "suspended" and not one.origins
    return NARROWS if is_shut else WIDENS


def serves_preflights(policy: Policy) -> bool:
    """Whether a route has requests of the method OPTIONS."""
    return any(
        route.admitted_methods is None or "OPTIONS" in route.admitted_methods
        for route in policy.routes
    )


def takes_pages(policy: Policy) -> bool:
    """Whether pages of other origins are judged anywhere."""
    return any(policy.cors_of(route) is not None for route in policy.routes)


def method_removed(judging: Judging) -> Verdict:
    """Say what becomes of credentials that nobody knows any more.

    They belong to the service then: another issuer may be asked about them, and beside another
    credential they are no second one, which is refused.
    """
    return CHANGES if judging.new.policy.authentication.has_methods else NARROWS


def method_or_none(rows: Rule) -> Rule:
    """Judge a method of authentication that may be left out."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if old is not None and new is not None:
            rows(judging, spot, old, new)
        elif old is not None:
            judging.note(method_removed(judging), spot, "is taken away")
        elif new is not None:
            judging.note(WIDENS, spot, "is added")

    return judge


def judge_bearer(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge whether a Bearer may be an API key; where it may be nothing, it is the service's."""
    if old != new:
        is_read = judging.new.policy.authentication.has_tokens
        judging.note(WIDENS if new else NARROWS if is_read else CHANGES, spot, from_to(old, new))


def judge_locked_kinds(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge kinds of keys that are locked to domains.

    Pages on the domains of a locked key's project may use it (AN-8), and a key may be worth another
    tier then.
    """
    before, after = frozenset(_items(old)), frozenset(_items(new))
    if before == after:
        return
    policy = judging.new.policy
    keys = policy.authentication.api_keys
    is_downgrade = keys is not None and keys.domain_lock.unregistered == "downgrade"
    if after - before and (is_downgrade or takes_pages(policy)):
        judging.note(CHANGES, spot, f"locked: {listed(sorted(map(str, after)))}")
    else:
        among(is_demand=True)(judging, spot, old, new)


def json_or_none(rows: Rule) -> Rule:
    """Judge how strictly JSON is read: other rules read it too, with the default bounds."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if isinstance(old, JsonBody) and isinstance(new, JsonBody):
            rows(judging, spot, old, new)
        elif isinstance(old, JsonBody):
            judging.note(WIDENS, spot, "it is taken away")
        elif isinstance(new, JsonBody):
            is_deeper = new.depth > JsonBody().depth
            judging.note(CHANGES if is_deeper else NARROWS, spot, "it is added")

    return judge


def tls_or_none(rows: Rule) -> Rule:
    """Judge TLS: which origin is the service's own depends on it."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if old is not None and new is not None:
            rows(judging, spot, old, new)
        elif old is not None:
            judging.note(WIDENS, spot, "it is taken away")
        elif new is not None:
            policy = judging.new.policy
            is_judged = any(policy.csrf_of(route) is not None for route in policy.routes)
            judging.note(CHANGES if is_judged else NARROWS, spot, "it is added")

    return judge


def sink_name(one: object, side: Side) -> object:
    """Name a sink as the policy does."""
    return str(getattr(one, "name", one)).removeprefix(f"{side.folder}/")


def by(*attributes: str) -> Callable[[object, Side], object]:
    """Name items by what they say of themselves."""

    def name(one: object, side: Side) -> object:
        del side
        return " ".join(str(getattr(one, attribute)) for attribute in attributes)

    return name


def judge_lists(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge lists by role of what they may call; none at all is no bound."""
    if old is None or new is None:
        place(gained=NARROWS, lost=WIDENS)(judging, spot, old, new)
        return
    before, after = _lists(old), _lists(new)
    for role in dict.fromkeys((*before, *after)):
        _TOOLS(judging, spot.below(role), before.get(role, ()), after.get(role, ()))


_TOOLS: Final = among()
_LOGINS: Final = among(none_is_all=True)


def _lists(value: object) -> dict[str, object]:
    return {str(role): one for role, one in value.items()} if isinstance(value, Mapping) else {}


def judge_tenant_origins(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge origins of tenants: they may be added, and they may be all that is accepted."""
    if old != new:
        verdict = {("add", "only"): NARROWS, ("add", "ignore"): NARROWS, ("only", "add"): WIDENS}
        found = verdict.get((str(old), str(new)), CHANGES)
        judging.note(WIDENS if (old, new) == ("ignore", "add") else found, spot, from_to(old, new))


def judge_permissions(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge who has which permission; what a route asks for is judged with the route too."""
    before, after = _grants(old), _grants(new)
    for path in dict.fromkeys((*before, *after)):
        below = spot.below(*path)
        if path not in after:
            judging.note(NARROWS, Spot(below.old, None), "the permission is gone")
        elif path not in before:
            judging.note(WIDENS, Spot(None, below.new), "the permission is new")
        else:
            _judge_grant(judging, below, before[path], after[path])


def _grants(value: object) -> dict[tuple[str, str], Grant]:
    resources = value.items() if isinstance(value, Mapping) else ()
    return {(str(r), str(a)): grant for r, actions in resources for a, grant in actions.items()}


def _judge_grant(judging: Judging, spot: Spot, old: Grant, new: Grant) -> None:
    holders = holders_of(judging.old.policy, old), holders_of(judging.new.policy, new)
    _TOOLS(judging, spot, *holders)
    _LOGINS(judging, spot.below("logins"), old.logins, new.logins)
