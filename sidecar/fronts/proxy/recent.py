"""The last decisions, kept small, so that an operator can ask why a request was refused.

What is kept of an exchange is what may be told of it. Its head, its body and its connection are
not: a ring of a thousand exchanges would hold megabytes of what strangers sent, and credentials.
"""

import json
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.decision.facts import shown, shown_refusal, shown_taken, text_of
from sidecar.decision.pipeline import Generation
from sidecar.decision.ruling import ruling
from sidecar.model.exchange import Connection, Exchange
from sidecar.model.identity import Principal, TenantRecord
from sidecar.model.limits import Taken
from sidecar.model.moments import write_moment
from sidecar.model.outcome import Refuse
from sidecar.model.ports import Ledger
from sidecar.model.route import RoutePlan
from sidecar.model.verdict import Ending, Verdict
from sidecar.policy.nodes import Path, key_path
from sidecar.policy.schema.explain import Explain

_PATH_BYTES: Final = 1024
_NAME_BYTES: Final = 255
SHARES: Final = 32
"""Shares of those who are known, and as many of strangers; a share may have several owners."""
_OTHERS: Final = 100
"""How many decisions with the same request id are named beside the one that is told."""
# Facts that outlive an exchange: each is small, or shared with what the process holds anyway.
_FACTS: Final = (
    "body_limit", "client", "is_from_proxy", "is_secure", "principal", "roles", "route", "target",
    "tenant", "tier",
)  # fmt: skip


class Kept:
    """What is kept of one exchange."""

    __slots__ = (
        "connection", "facts", "host", "method", "now", "own_id", "path", "request_id", "shadow",
        "share", "taken", "verdict",
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
        self.share = _share_of(self.facts, exchange.connection.peer)

    def exchange(self) -> Exchange:
        """Write the facts into a notebook again, for whoever reads notebooks."""
        made = Exchange(self.connection, None, self.now, self.own_id)
        for name, value in self.facts.items():
            setattr(made, name, value)
        made.shadow.extend(self.shadow)
        made.taken = tuple(self.taken)
        return made


class Told:
    """An explanation that is written: all that is left of a decision whose policy is gone.

    Attributes:
        document: as JSON.
    """

    __slots__ = ("document", "now", "own_id", "request_id", "share")

    def __init__(self, kept: Kept, document: Mapping[str, object]) -> None:
        self.request_id, self.own_id = kept.request_id, kept.own_id
        self.now, self.share = kept.now, kept.share
        self.document = json.dumps(document).encode()


@dataclass(frozen=True, slots=True)
class Era:
    """The time of one policy.

    Attributes:
        generation: the policy.
        sha256: its digest.
        since: when it came into force, Unix seconds.
    """

    generation: Generation
    sha256: str
    since: float


@dataclass(frozen=True, slots=True)
class _Former:
    """The time of a policy that goes when nothing is under way on it any more."""

    generation: "weakref.ref[Generation]"
    sha256: str


class Ring:
    """Decisions, the oldest forgotten first, of whoever has most of them.

    Else a stranger with a hundred requests for nothing would have all others forgotten, and with
    them what an operator is asked about. Those who proved who they are share one half, by tenant,
    strangers the other, by address; what one half does not need, the other has.
    """

    __slots__ = ("_most", "_shares", "_sizes")

    def __init__(self, most: int) -> None:
        self._most = most
        self._shares: list[deque[Kept | Told]] = [deque() for _ in range(2 * SHARES)]
        self._sizes = [0, 0]

    def __len__(self) -> int:
        """Return the number of decisions."""
        return self._sizes[0] + self._sizes[1]

    def ordered(self) -> "list[Kept | Told]":
        """List all, the oldest first."""
        return sorted((one for share in self._shares for one in share), key=_time_of)

    def add(self, one: "Kept | Told") -> None:
        """Keep one more; where there is no room, another goes."""
        half = one.share // SHARES
        self._shares[one.share].append(one)
        self._sizes[half] += 1
        if len(self) > self._most:
            self._drop(half if self._sizes[half] > self._sizes[1 - half] else 1 - half)

    def put_before(self, older: "Sequence[Told]") -> None:
        """Keep what is older than all that is here, the oldest first, as far as there is room."""
        for one in reversed(older):
            self._shares[one.share].appendleft(one)
            self._sizes[one.share // SHARES] += 1
        while len(self) > self._most:
            self._drop(0 if self._sizes[0] > self._sizes[1] else 1)

    def _drop(self, half: int) -> None:
        """Forget the oldest of the largest share; of shares alike, the oldest of all."""
        largest, most, oldest = self._shares[half * SHARES], 0, 0.0
        for share in self._shares[half * SHARES : (half + 1) * SHARES]:
            size = len(share)
            if size > most or (size == most and size and share[0].now < oldest):
                largest, most, oldest = share, size, share[0].now
        largest.popleft()
        self._sizes[half] -= 1


class Recent(Ledger):
    """Keeps the last decisions, also those under policies that came before.

    What is explained needs the policy that decided. A policy is kept by what is under way on it
    alone; what it decided is written out when another one comes into force.

    Args:
        section: how many, and which.
        era: the policy in force.
        former: what kept decisions under the policy before; None for the first one.
    """

    def __init__(self, section: Explain, era: Era, former: "Recent | None" = None) -> None:
        self._ring = Ring(section.last)
        self._keeps_all = section.requests == "all"
        self._era = era
        self._own = frozenset(map(id, _plans(era.generation)))
        self._before = former
        self._formers = [] if former is None else former.eras()

    def __len__(self) -> int:
        """Return the number of decisions that are kept."""
        return len(self._ring)

    def note(self, exchange: Exchange, verdict: Verdict) -> None:
        """Keep an exchange if it is one that may be asked about."""
        if self._keeps_all or verdict.code is not None or exchange.shadow:
            kept = Kept(exchange, verdict)
            self._ring.add(self._late(kept) if self._formers and self._is_late(kept) else kept)

    def explained(self, request_id: str) -> Mapping[str, object] | None:
        """Explain an exchange; None for one that is not kept.

        Args:
            request_id: as in X-Request-Id, or the id of its audit record, which goes before. Of
                several exchanges with one X-Request-Id the last is told; `others` names the rest.
        """
        wanted = request_id.encode("utf-8", "surrogateescape")
        found = self.bearing(wanted)
        if not found:
            return None
        # The id that we gave is one request's alone; others may bear it in X-Request-Id.
        told = next((one for one in found if one[1].own_id == wanted), found[0])
        others = [text_of(kept.own_id) for _, kept in found if kept is not told[1]]
        return {**told[0].shown(told[1]), "others": others[:_OTHERS]}

    def bearing(self, wanted: bytes) -> "list[tuple[Recent, Kept | Told]]":
        """Find all that bear an id, the newest first."""
        mine = [
            (self, kept)
            for kept in reversed(self._ring.ordered())
            if wanted in (kept.request_id, kept.own_id)
        ]
        return mine if self._before is None else [*mine, *self._before.bearing(wanted)]

    def shown(self, kept: Kept | Told) -> Mapping[str, object]:
        """Explain one that is kept here."""
        if isinstance(kept, Kept):
            return self._document(kept, self._era)
        found: Mapping[str, object] = json.loads(kept.document)
        return found

    # --- another policy comes into force

    def eras(self) -> list[_Former]:
        """List the policies that something may be under way on, the one in force the last."""
        own = _Former(weakref.ref(self._era.generation), self._era.sha256)
        return [*(one for one in self._formers if one.generation() is not None), own]

    def told(self) -> Sequence[Told]:
        """Write all explanations out; nothing is noted here any more."""
        return [
            Told(kept, self._document(kept, self._era)) if isinstance(kept, Kept) else kept
            for kept in self._ring.ordered()
        ]

    def put_before(self, told: Sequence[Told]) -> None:
        """Take over what `told` of the one before gave; the oldest goes where there is no room."""
        self._ring.put_before(told)
        self._before = None

    def _is_late(self, kept: Kept) -> bool:
        """Tell whether an exchange was decided by a policy before the one in force."""
        plan = kept.facts.get("route")
        return kept.now < self._era.since if plan is None else id(plan) not in self._own

    def _late(self, kept: Kept) -> Told:
        """Explain at once what ends on a policy that goes with it."""
        self._formers = [one for one in self._formers if one.generation() is not None]
        plan = kept.facts.get("route")
        for former in reversed(self._formers):
            generation = former.generation()
            if generation is None:
                continue
            if plan is None or any(one is plan for one in _plans(generation)):
                return Told(kept, self._document(kept, Era(generation, former.sha256, 0.0)))
        return Told(kept, self._document(kept, None))

    # --- one document

    def _document(self, kept: Kept, era: Era | None) -> Mapping[str, object]:
        verdict, exchange = kept.verdict, kept.exchange()
        path = () if era is None else _key_behind(kept, era.generation, exchange)
        edge = [] if era is None else [step.name for step in era.generation.edge]
        passed, rest = _split(edge, _names(exchange) if "route" in kept.facts else [], verdict)
        return {
            "request_id": text_of(kept.request_id),
            "id": text_of(kept.own_id),
            "at": write_moment(kept.now),
            "policy": None if era is None else era.sha256,
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


def _time_of(one: Kept | Told) -> float:
    return one.now


def _share_of(facts: Mapping[str, object], peer: str) -> int:
    """Say whose share a decision is counted to: nobody chooses it who has not proven a caller."""
    principal, tenant = facts.get("principal"), facts.get("tenant")
    if not isinstance(principal, Principal) or not principal.credential_id:
        return SHARES + hash(facts.get("client", peer)) % SHARES
    owner = tenant.id if isinstance(tenant, TenantRecord) else principal.credential_id
    return hash(owner) % SHARES


def _plans(generation: Generation) -> Sequence[RoutePlan]:
    return (*generation.plans, generation.unrouted)


def _key_behind(kept: Kept, generation: Generation, exchange: Exchange) -> Path:
    plan, verdict = kept.facts.get("route"), kept.verdict
    index = next((at for at, one in enumerate(generation.plans) if one is plan), None)
    refusal = None if verdict.code is None else Refuse(verdict.code, verdict.reason)
    return ruling(generation.policy, index, verdict.step, refusal, exchange)


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
