"""An audit that keeps what it was told, and a clock that stands still until it is moved."""

from sidecar.model.ports import Event

NOW = 1_800_000_000.0
OPS = "ops"


class Noted(list[Event]):
    """Keeps events in order."""

    def note_event(self, event: Event) -> None:
        self.append(event)

    @property
    def done(self) -> list[tuple[str, str]]:
        """List what was done, as action and resource."""
        return [(event.action, event.resource_id) for event in self if event.reason is None]

    @property
    def undone(self) -> list[tuple[str, str]]:
        """List what was not done, as action and reason."""
        return [(event.action, event.reason) for event in self if event.reason is not None]
