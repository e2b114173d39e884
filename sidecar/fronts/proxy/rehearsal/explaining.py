"""An explanation: what was decided step by step, which line said so, and what would change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sidecar.decision.pipeline import build
from sidecar.decision.ruling import ruling
from sidecar.fronts.proxy.rehearsal.case import Case, Mend
from sidecar.fronts.proxy.rehearsal.mends import mends
from sidecar.fronts.proxy.rehearsal.play import Played, Stage
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Answers, AtHand
from sidecar.policy.schema.policy import Policy
from sidecar.policy.text import Text, Written

MENDS = 4
"""Changes that are tried: people read the first."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A change, and what became of the request with it.

    Attributes:
        mend: the change.
        where: the line of the policy to change; None where the policy stays as it is.
        played: what became of the request; None for a change that cannot be tried here.
    """

    mend: Mend
    where: Written | None
    played: Played | None

    @property
    def is_enough(self) -> bool:
        """Whether the request is admitted with it."""
        return self.played is not None and self.played.word in {"admit", "answer"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is to be said of a request.

    Attributes:
        text: the policy.
        played: what became of it.
        keys: the key behind each step, in order.
        key: the key behind the refusal; None for what is built in.
        tried: changes that would have admitted it, the nearest first.
        notes: what was assumed.
    """

    text: Text
    played: Played
    keys: tuple[Written | None, ...]
    key: Written | None
    tried: tuple[Tried, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains requests to a policy.

    Attributes:
        text: the policy.
        known: makes what steps know, with fresh counters, for a policy and its variants.
        answers: answers questions.
        new_id: makes request ids.
        notes: what was assumed in the place of answers.
    """

    text: Text
    known: Callable[[Policy], AtHand]
    answers: Answers
    new_id: Callable[[], bytes]
    notes: Sequence[str] = ()

    def stage(self, policy: Policy) -> Stage:
        """Compile a policy, with counters that have counted nothing."""
        return Stage(build(policy, self.known(policy)), self.answers, self.new_id)

    async def explain(self, played: Played) -> Explanation:
        """Explain what became of a request."""
        policy = self.text.loaded.policy
        refusal = played.outcome if isinstance(played.outcome, Refuse) else None
        keys = tuple(
            self.text.written(
                ruling(
                    policy,
                    played.index,
                    seen.step.name,
                    seen.outcome if isinstance(seen.outcome, Refuse) else None,
                    played.exchange,
                )
            )
            for seen in played.seen
        )
        key = None
        tried: tuple[Tried, ...] = ()
        if refusal is not None:
            path = ruling(policy, played.index, played.step, refusal, played.exchange)
            key = self.text.written(path)
            tried = await self._tried(policy, played, refusal)
        return Explanation(self.text, played, keys, key, tried, tuple(self.notes))

    async def _tried(self, policy: Policy, played: Played, refusal: Refuse) -> tuple[Tried, ...]:
        route = None if played.index is None else policy.routes[played.index]
        found = mends(Case(policy, played, refusal, route))[:MENDS]
        tried = [await self._try(policy, played, mend) for mend in found]
        # Those that are enough come first; sorting keeps the order of the others.
        return tuple(sorted(tried, key=lambda one: not one.is_enough))

    async def _try(self, policy: Policy, played: Played, mend: Mend) -> Tried:
        where = None if mend.edit is None else self.text.written(mend.edit.path)
        if not mend.can_be_tried:
            return Tried(mend, where, None)
        changed = policy if mend.edit is None else self.text.edited([mend.edit])
        if changed is None:
            return Tried(mend, where, None)
        again = await self.stage(changed).play(mend.asked or played.asked)
        return Tried(mend, where, again)
