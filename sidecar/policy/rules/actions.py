"""Rules about what routes are called in the audit (AU-2)."""

import re
from collections.abc import Iterator
from typing import Final

from sidecar.model.events import statuses_of
from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.action import Action
from sidecar.policy.schema.routes import Route

_NAMED: Final = re.compile(r"\{([^}]*)\}")


def ids_of_nothing(judged: Judged) -> Findings:
    """Ids of resources with a name that the path does not bind."""
    for path, route, action in _actions(judged):
        bound = route.template.names
        unknown = [name for name in _NAMED.findall(action.resource_id or "") if name not in bound]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in bound)
            yield judged.error(
                (*path, "resource_id"),
                f"the path binds no {{{unknown[0]}}}",
                f"one of {known}" if known else "a name in the path: /accounts/{account}",
            )


def actions_never_reached(judged: Judged) -> Findings:
    """Actions whose statuses the ones before them take."""
    taken: set[int] = set()
    for path, _, action in _actions(judged):
        taken = taken if path[-1] else set()
        own = {status for text in action.status for status in statuses_of(text)}
        if own <= taken:
            yield judged.error(
                path,
                "never holds: the actions before it take all of its statuses",
                "other statuses, or another order",
            )
        taken |= own


def _actions(judged: Judged) -> Iterator[tuple[Path, Route, Action]]:
    for at, route in enumerate(judged.policy.routes):
        for number, action in enumerate(route.action):
            yield ("routes", at, "action", number), route, action
