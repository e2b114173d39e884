"""A refused request, and one change that may have it admitted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sidecar.decision.facts import text_of
from sidecar.decision.ruling import ruling
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.play import Played
from sidecar.model.outcome import Refuse
from sidecar.policy.nodes import Path
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Route
from sidecar.policy.text import Edit


@dataclass(frozen=True, slots=True)
class Mend:
    """One change.

    Attributes:
        words: what to do.
        asked: the request with the change; None where the request stays as it is.
        edit: the change of the policy; None where that stays as it is.
    """

    words: str
    asked: Asked | None = None
    edit: Edit | None = None

    @property
    def can_be_tried(self) -> bool:
        """Whether the request can be played with it."""
        return self.asked is not None or self.edit is not None


@dataclass(frozen=True, slots=True)
class Case:
    """A refused request.

    Attributes:
        policy: the policy.
        played: what became of it.
        refusal: the refusal.
        route: its route; None where none matched.
    """

    policy: Policy
    played: Played
    refusal: Refuse
    route: Route | None

    @property
    def asked(self) -> Asked:
        """The request."""
        return self.played.asked

    @property
    def index(self) -> int:
        """Index of its route."""
        return self.played.index or 0

    def ruling(self) -> Path:
        """The key that refused."""
        played = self.played
        return ruling(self.policy, played.index, played.step, self.refusal, played.exchange)

    def values(self, name: str) -> list[str]:
        """The values of a field of the request."""
        head = self.played.exchange.head
        return [] if head is None else [text_of(one) for one in head.values(name.encode())]

    def section(self, name: str, key: str) -> Path:
        """The path of a key in a section that the route may have of its own."""
        own = self.route is not None and name in self.route.model_fields_set
        return ("routes", self.index, name, key) if own else (name, key)


Mends = Iterator[Mend]


def appended(value: str) -> Callable[[object], object]:
    """Make what adds a value to a list, in whatever short form that is written."""

    def append(old: object) -> object:
        if old is None:
            return [value]
        return [*old, value] if isinstance(old, list) else [old, value]

    return append


def without(value: str) -> Callable[[object], object]:
    """Make what takes a value out of a list."""
    return lambda old: [one for one in old if str(one) != value] if isinstance(old, list) else []


def dotted(path: Path) -> str:
    """Write a path as people say it."""
    return ".".join(str(step) for step in path)
