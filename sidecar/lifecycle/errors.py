"""Why an operator's action was not done, in words for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Event, Events


class LifecycleError(Exception):
    """An action was not done; neither text holds a secret.

    Attributes:
        message: what is wrong, one sentence without a full stop.
        hint: how to mend it, likewise; empty where nothing can be done.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotFoundError(LifecycleError):
    """What the action is about is not there."""


class ConflictError(LifecycleError):
    """What is there forbids the action, or somebody else changed it meanwhile."""


class BadValueError(LifecycleError):
    """A value of the action does not fit."""


@contextmanager
def audited(events: Events, event: Event) -> Iterator[None]:
    """Take note of an action when it is done, or of why it was not (AU-2).

    Args:
        events: the audit.
        event: the action, as if it were done.
    """
    try:
        yield
    except (LifecycleError, StoreUnavailableError) as error:
        events.note_event(replace(event, reason=str(error)))
        raise
    events.note_event(event)
