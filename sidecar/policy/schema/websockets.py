"""The section `websockets`: bounds on upgraded connections."""

from sidecar.policy.schema.quantities import Count, PositiveDuration
from sidecar.policy.schema.section import Section


class Websockets(Section):
    """Bounds on WebSocket connections.

    Attributes:
        max: how many may be open at a time.
        idle: silence of both sides after which one is closed.
        life: age at which one is closed.
    """

    max: Count = 1000
    idle: PositiveDuration = 300.0
    life: PositiveDuration = 86400.0
