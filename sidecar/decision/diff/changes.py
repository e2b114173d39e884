"""What is said of two policies: changes, each with a verdict."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Final

from sidecar.policy.loaded import Loaded
from sidecar.policy.nodes import Path, key_path
from sidecar.policy.schema.policy import Policy

_NAMED: Final = 3
"""Most routes that a line names."""


class Verdict(StrEnum):
    """What a change does to who gets in, and to what watches over them."""

    WIDENS = "widens"
    """Somebody gets in who did not, or a bound or a protection is weaker."""
    CHANGES = "changes"
    """Which of both cannot be told: it counts as widening."""
    NARROWS = "narrows"
    """It only takes away."""
    NEUTRAL = "neutral"
    """It is nobody's access."""


COUNTED: Final = frozenset((Verdict.WIDENS, Verdict.CHANGES))
"""What is to be acknowledged where a policy asks for that."""
_ORDER: Final = tuple(Verdict)


def verdict_of(*, is_no_wider: bool, is_no_narrower: bool) -> Verdict:
    """Judge by what could be proven."""
    if is_no_wider:
        return Verdict.NEUTRAL if is_no_narrower else Verdict.NARROWS
    return Verdict.WIDENS if is_no_narrower else Verdict.CHANGES


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two policies.

    Attributes:
        policy: the policy.
        folder: folder of its file.
        files: digest by name of every file that was read for it.
    """

    policy: Policy
    folder: PurePath
    files: Mapping[str, str]

    @classmethod
    def of(cls, loaded: Loaded) -> "Side":
        """Look at a policy that was loaded."""
        return cls(loaded.policy, PurePath(loaded.name).parent, dict(loaded.files))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something stands in both policies.

    Attributes:
        old: path of the key in the old one; None where it has none.
        new: path of the key in the new one; likewise.
        route: the route that it is about; empty for all.
    """

    old: Path | None
    new: Path | None
    route: str = ""

    @classmethod
    def at(cls, *path: str | int) -> "Spot":
        """Name a key of both."""
        return cls(path, path)

    def below(self, *steps: str | int) -> "Spot":
        """Name a key below it."""
        old = None if self.old is None else (*self.old, *steps)
        new = None if self.new is None else (*self.new, *steps)
        return Spot(old, new, self.route)

    def of(self, old: int, new: int) -> "Spot":
        """Name items of a list below it, which stand at different places."""
        above = self.below()
        return Spot(
            None if above.old is None else (*above.old, old),
            None if above.new is None else (*above.new, new),
            self.route,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        verdict: what it does.
        what: what differs, in words; never a secret.
        old: path of the key in the old policy; None where it has none.
        new: path of the key in the new policy; likewise.
        routes: routes that it is about; none: all of the policy.
    """

    verdict: Verdict
    what: str
    old: Path | None
    new: Path | None
    routes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key that says it: that of the new policy if there is one."""
        return key_path(self.new or self.old or ())

    @property
    def named(self) -> str:
        """The routes, a few of them by name."""
        more = len(self.routes) - _NAMED
        words = ", ".join(self.routes[:_NAMED])
        return f"{words} and {more} more" if more > 0 else words

    def __str__(self) -> str:
        """Read as in `widens: limits.key: 10/1s → 20/1s`."""
        about = f" ({self.named})" if self.routes else ""
        return f"{self.verdict}: {self.key}: {self.what}{about}"


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs between two policies, what widens first.

    Attributes:
        changes: the changes; none: both admit the same, by the same rules.
        digest: names exactly these changes between these two policies.
    """

    changes: tuple[Change, ...]
    digest: str

    @property
    def widens(self) -> bool:
        """Whether somebody gains, or whether that cannot be told."""
        return any(change.verdict in COUNTED for change in self.changes)

    def counts(self) -> dict[str, int]:
        """Count the changes by verdict."""
        verdicts = [change.verdict for change in self.changes]
        return {verdict.value: verdicts.count(verdict) for verdict in Verdict}


@dataclass(slots=True)
class Judging:
    """Two policies while they are compared.

    Attributes:
        old: the policy that is in force.
        new: the policy that is to be.
        noted: routes of what was found, by what was found.
    """

    old: Side
    new: Side
    noted: dict[Change, dict[str, None]] = field(default_factory=dict)

    def note(self, verdict: Verdict, spot: Spot, what: str) -> None:
        """Take note of a change; what holds for several routes is noted once."""
        routes = self.noted.setdefault(Change(verdict, what, spot.old, spot.new), {})
        if spot.route:
            routes[spot.route] = None

    def diff(self, fingerprint: str) -> Diff:
        """Put together what was noted.

        Args:
            fingerprint: names both policies, secrets and files included.
        """
        found = [
            Change(one.verdict, one.what, one.old, one.new, tuple(routes))
            for one, routes in self.noted.items()
        ]
        found.sort(key=lambda one: _ORDER.index(one.verdict))
        return Diff(tuple(found), _digest(fingerprint, found))


def _digest(fingerprint: str, changes: Sequence[Change]) -> str:
    lines = (f"{one.verdict}\0{one.key}\0{one.what}\0{one.routes}" for one in changes)
    return hashlib.sha256("\n".join((fingerprint, *lines)).encode()).hexdigest()
