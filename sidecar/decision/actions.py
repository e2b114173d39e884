"""What the policy calls a route's exchanges, compiled for the audit (AU-2)."""

import re
from typing import Final

from sidecar.model.events import RouteAction, statuses_of
from sidecar.model.template import Kind
from sidecar.policy.schema.action import Action
from sidecar.policy.schema.routes import Route

_PARTS: Final = re.compile(r"\{([^}]*)\}")


def actions_of(route: Route) -> tuple[RouteAction, ...]:
    """Compile the actions of a route, in the order in which they are tried."""
    return tuple(_action(action, route) for action in route.action)


def _action(action: Action, route: Route) -> RouteAction:
    statuses: frozenset[int] = frozenset().union(*map(statuses_of, action.status))
    parts = () if action.resource_id is None else _parts(action.resource_id, route)
    return RouteAction(action.name, statuses, action.resource_type or "", parts)


def _parts(text: str, route: Route) -> tuple[str | int, ...]:
    places = {
        segment.text: at
        for at, segment in enumerate(route.template.segments)
        if segment.kind is Kind.ONE and segment.text
    }
    # Between literal texts stand names: those that `split` found in braces.
    pieces = _PARTS.split(text)
    return tuple(
        places[piece] if at % 2 else piece for at, piece in enumerate(pieces) if at % 2 or piece
    )
