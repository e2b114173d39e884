"""The last decisions, kept small, so that an operator can ask why a request was refused.

What is kept of an exchange is what may be told of it. Its head, its body and its connection are
not: a ring of a thousand exchanges would hold megabytes of what strangers sent, and credentials.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from sidecar.decision.facts import shown, shown_refusal, shown_taken, text_of
from sidecar.decision.pipeline import Generation
from sidecar.decision.ruling import ruling
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.limits import Taken
from sidecar.model.moments import write_moment
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Ledger
from sidecar.model.verdict import Ending, Verdict
from sidecar.policy.nodes import key_path
from sidecar.policy.schema.explain import Explain

_PATH_BYTES: Final = 1024
_NAME_BYTES: Final = 255
# Facts that outlive an exchange: each is small, or shared with what the process holds anyway.
_FACTS: Final = (
    "body_limit", "client", "is_from_proxy", "is_secure", "principal", "roles", "route", "target",
    "tenant", "tier",
)  # fmt: skip


class Kept:
    """What is kept of one exchange."""

    __slots__ = (
        "connection", "facts", "host", "method", "now", "own_id", "path", "request_id", "shadow",
        "taken", "verdict",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, verdict: Verdict) -> None:
        """Take what may be told."""
        head = exchange.head
        self.verdict = verdict
        self.now = exchange.now
        self.own_id = exchange.own_id
        self.connection: Connection = exchange.connection
        self.request_id = getattr(exchange, "request_id", exchange.own_id)
        self.method = b"" if head is None else head.method
        # A slice of a longer path is a copy: nothing keeps the head alive.
        self.path = b"" if head is None else head.path[:_PATH_BYTES]
        self.host = None if head is None or head.host is None else head.host[:_NAME_BYTES]
        found = ((name, getattr(exchange, name, None)) for name in _FACTS)
        self.facts = {name: value for name, value in found if value is not None}
        self.shadow: Sequence[Refuse] = tuple(exchange.shadow)
        self.taken: Sequence[Taken] = exchange.taken

    def exchange(self) -> Exchange:
        """Write the facts into a notebook again, for whoever reads notebooks."""
        made = Exchange(self.connection, None, self.now, self.own_id)
        for name, value in self.facts.items():
            setattr(made, name, value)
        made.shadow.extend(self.shadow)
        made.taken = tuple(self.taken)
        return made


class Recent(Ledger):
    """Keeps the last decisions.

    Args:
        section: how many, and which.
        generation: the policy in force.
    """

    def __init__(self, section: Explain, generation: Generation) -> None:
        self._ring: deque[Kept] = deque(maxlen=section.last)
        self._keeps_all = section.requests == "all"
        self._generation = generation
        self._indexes = {id(plan): at for at, plan in enumerate(generation.plans)}

    def __len__(self) -> int:
        """Return the number of decisions that are kept."""
        return len(self._ring)

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Keep an exchange if it is one that may be asked about."""
        if self._keeps_all or verdict.code is not None or exchange.shadow:
            self._ring.append(Kept(exchange, verdict))

    def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain an exchange; None for one that is not kept.

        Args:
            request_id: as in X-Request-Id, or the id of its audit record.
        """
        wanted = request_id.encode("utf-8", "surrogateescape")
        for kept in reversed(self._ring):
            if wanted in (kept.request_id, kept.own_id):
                return self._document(kept)
        return None

    def _document(self, kept: Kept) -> Mapping[str, object]:
        verdict, exchange = kept.verdict, kept.exchange()
        plan = kept.facts.get("route")
        index = self._indexes.get(id(plan))
        refusal = None if verdict.code is None else Refuse(verdict.code, verdict.reason)
        path = ruling(self._generation.policy, index, verdict.step, refusal, exchange)
        names = [step.name for step in self._generation.edge]
        passed, rest = _split(names, [] if plan is None else _names(exchange), verdict)
        return {
            "request_id": text_of(kept.request_id),
            "id": text_of(kept.own_id),
            "at": write_moment(kept.now),
            "method": text_of(kept.method) or None,
            "host": None if kept.host is None else text_of(kept.host),
            "path": text_of(kept.path) or None,
            "outcome": verdict.ending.value,
            "status": verdict.status,
            "code": verdict.code,
            "step": verdict.step or None,
            "reason": verdict.reason or None,
            "key": key_path(path) or None,
            "key_path": list(path),
            "passed": passed,
            "not_reached": rest,
            "facts": {name: shown(exchange, name) for name in sorted(kept.facts)},
            "would_refuse": [shown_refusal(one) for one in kept.shadow],
            "charges": shown_taken(kept.taken),
        }


def _names(exchange: Exchange) -> list[str]:
    return [step.name for step in exchange.route.steps]


def _split(edge: list[str], route: list[str], verdict: Verdict) -> tuple[list[str], list[str]]:
    """Tell the steps that passed from those that were not reached.

    Of two steps with one name the later one refused, where its route was known.
    """
    step = verdict.step
    names = [*edge, *route]
    if step in {"framing", "overload"}:
        return [], names
    if verdict.ending is Ending.FAILED:
        # The step `upstream` only chooses one; here the upstream itself did not do its part.
        return names, []
    if step in route:
        at = len(edge) + route.index(step)
    elif step in edge:
        at = edge.index(step)
    else:
        # Nothing refused: the steps have all passed.
        return names, []
    return names[:at], names[at + 1 :]
