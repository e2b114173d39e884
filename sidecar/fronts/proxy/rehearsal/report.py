"""An explanation for people and for programs; nothing in it is a secret."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.decision.facts import (
    query_names,
    shown_line,
    shown_refusal,
    split_lines,
    text_of,
)
from sidecar.fronts.proxy.rehearsal.explaining import Explanation, Tried
from sidecar.fronts.proxy.rehearsal.play import Played, Seen
from sidecar.model.moments import write_moment
from sidecar.model.outcome import Refuse
from sidecar.policy.text import Written

WORDS: Final = {
    "admit": "admitted",
    "refuse": "refused",
    "answer": "answered",
    "unknown": "unknown",
}
_NOTHING: Final[tuple[object, ...]] = (None, [], {}, "")
# What a refusal is understood by; the request and the caller stand above it.
_TELLING: Final = ("client", "segments", "tenant", "roles", "tier", "body_limit")
_UNSHOWN: Final = frozenset(("connection", "credential_lines", "own_id", "shadow", "slots"))
_COUNTED: Final = (
    "counts are those of a process that has counted nothing yet; what callers have used is not"
    " known here"
)


def document(explanation: Explanation) -> dict[str, object]:
    """Write an explanation as a value of JSON."""
    played = explanation.played
    found: dict[str, object] = {
        "outcome": WORDS[played.word],
        "status": played.status or None,
        "step": played.step or None,
        "route": None if played.index is None else played.exchange.route.name,
        "key": _written(explanation.key),
    }
    if isinstance(played.outcome, Refuse):
        found |= shown_refusal(played.outcome)
    elif played.outcome is not None:
        found["reason"] = played.outcome.reason
    if played.unknown is not None:
        found["unknown"] = played.unknown
    pairs = zip(played.seen, explanation.keys, strict=True)
    found["steps"] = [_step(seen, key) for seen, key in pairs]
    if played.word == "admit":
        found["upstream"] = upstream(played)
    found["answer"] = [": ".join(shown_line(line)) for line in split_lines(played.lines)]
    found["charges"] = played.charges
    found["mends"] = [_tried(one) for one in explanation.tried]
    found["notes"] = notes(explanation)
    return found


def notes(explanation: Explanation) -> list[str]:
    """Say what was assumed."""
    counted = [_COUNTED] if explanation.played.exchange.taken else []
    return [*counted, *explanation.notes]


def upstream(played: Played) -> dict[str, object]:
    """Say what the upstream would get: its target, the fields that were added and taken out."""
    exchange = played.exchange
    head = exchange.head
    sent = set() if head is None else set(head.lines)
    lines = split_lines(exchange.upstream_lines)
    kept = set(lines)
    return {
        "url": str(exchange.target),
        "target": query_names(exchange.upstream_path),
        "added": dict(shown_line(line) for line in lines if line not in sent),
        "removed": [_name(line) for line in sent if line not in kept],
        "passed": [_name(line) for line in lines if line in sent],
    }


def _name(line: bytes) -> str:
    return text_of(line.partition(b":")[0])


def _written(key: Written | None) -> dict[str, object] | None:
    if key is None:
        return None
    place = key.place
    return {
        "path": key.key,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
    }


def _step(seen: Seen, key: Written | None) -> dict[str, object]:
    found: dict[str, object] = {
        "step": seen.step.name,
        "said": _said(seen),
        "reads": seen.reads,
        "writes": seen.writes,
        "key": _written(key),
    }
    if seen.asked:
        found["asked"] = [{"question": one, "answer": answer} for one, answer in seen.asked]
    if isinstance(seen.outcome, Refuse):
        found["refusal"] = shown_refusal(seen.outcome)
    if seen.shadowed:
        found["shadowed"] = [shown_refusal(one) for one in seen.shadowed]
    return found


def _said(seen: Seen) -> str:
    if seen.outcome is not None:
        return "refused" if isinstance(seen.outcome, Refuse) else "answered"
    if seen.shadowed:
        return "shadowed"
    if seen.asked and not seen.asked[-1][1]:
        return "asked"
    return "passed"


def _tried(tried: Tried) -> dict[str, object]:
    return {
        "mend": tried.mend.words,
        "key": _written(tried.where),
        "tried": None if tried.played is None else WORDS[tried.played.word],
        "then": _then(tried.played),
    }


def _then(played: Played | None) -> str | None:
    """Say what refuses once a change is made."""
    if played is None or not isinstance(played.outcome, Refuse):
        return None
    return f"{played.step}: {played.outcome.reason}"


# --- for people


def lines(explanation: Explanation) -> Iterator[str]:
    """Write an explanation for people."""
    played = explanation.played
    asked = played.asked
    target = query_names(asked.target.encode("utf-8", "surrogateescape"))
    method = text_of(asked.method.encode("utf-8", "surrogateescape"))
    yield f"{method} {target} from {asked.peer} at {write_moment(asked.at)}"
    yield ""
    yield from _steps(explanation)
    yield ""
    yield from _outcome(explanation)
    yield from (f"note: {note}" for note in notes(explanation))


def _steps(explanation: Explanation) -> Iterator[str]:
    known: dict[str, object] = {}
    for seen, key in zip(explanation.played.seen, explanation.keys, strict=True):
        where = "" if key is None or key.place is None else f"  ({key})"
        yield f"  {_MARKS[_said(seen)]} {seen.step.name:<17} {_words(seen, known)}{where}".rstrip()
        known |= seen.reads | seen.writes


_MARKS: Final = {"passed": "ok", "refused": "NO", "answered": "==", "shadowed": "~~", "asked": "??"}


def _words(seen: Seen, known: dict[str, object]) -> str:
    """Say what a step decided, and from which facts, where they were not shown before."""
    parts = []
    if isinstance(seen.outcome, Refuse):
        parts.append(f"{seen.outcome.code}: {seen.outcome.reason}")
    elif seen.outcome is not None:
        parts.append(seen.outcome.reason)
    parts += [f"would refuse, {one.code}: {one.reason}" for one in seen.shadowed]
    parts += [f"asked {one}: {answer or 'not known'}" for one, answer in seen.asked]
    reads = {fact: value for fact, value in seen.reads.items() if fact in _TELLING}
    is_end = seen.outcome is not None or bool(seen.shadowed)
    shown: dict[str, object] = {**reads, **seen.writes} if is_end else seen.writes
    parts += [
        f"{fact}={value_of_fact(value)}"
        for fact, value in shown.items()
        if fact not in _UNSHOWN and value not in _NOTHING and (is_end or known.get(fact) != value)
    ]
    return "; ".join(parts)


def value_of_fact(value: object) -> str:
    """Write a fact for people."""
    if isinstance(value, dict):
        kept = [
            f"{name}={value_of_fact(one)}" for name, one in value.items() if one not in _NOTHING
        ]
        return f"({' '.join(kept)})"
    if isinstance(value, list):
        return "[" + ", ".join(value_of_fact(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | None) else str(value)


def _outcome(explanation: Explanation) -> Iterator[str]:
    played = explanation.played
    key = explanation.key
    where = "" if key is None else f" ({key})"
    if played.word == "unknown":
        yield f"unknown: {played.step} must know {played.unknown}"
    elif played.word == "admit":
        yield from _admitted(played)
    elif isinstance(played.outcome, Refuse):
        yield f"refused: {played.status} {played.outcome.code} by {played.step}{where}"
        yield f"  reason: {played.outcome.reason}"
        yield from _fields("the client gets", played.lines)
        yield from _mends(explanation.tried)
    elif played.outcome is not None:
        yield f"answered: {played.status} by {played.step}: {played.outcome.reason}"
        yield from _fields("the client gets", played.lines)


def _admitted(played: Played) -> Iterator[str]:
    found = upstream(played)
    yield f"admitted: {played.asked.method} {found['target']} to {found['url']}"
    added, removed = found["added"], found["removed"]
    if isinstance(added, dict):
        yield from (f"  adds    {name}: {value}" for name, value in added.items())
    if isinstance(removed, list):
        yield from (f"  removes {name}" for name in removed)
    yield from _fields("the answer gets", played.lines)
    yield from (
        f"  charges {one['limit']}: {one['left']} of {one['most']} left" for one in played.charges
    )


def _fields(title: str, fields: Iterable[bytes]) -> Iterator[str]:
    names = [name for name, _ in map(shown_line, split_lines(fields))]
    yield f"  {title}: {', '.join(dict.fromkeys(names)) or 'no field'}"


def _mends(tried: Iterable[Tried]) -> Iterator[str]:
    for one in tried:
        where = "" if one.where is None else f" at {one.where}"
        if one.is_enough:
            verdict = "tried: admitted"
        elif one.played is None:
            verdict = "not tried"
        else:
            verdict = f"tried: not enough, then {_then(one.played) or 'not known'}"
        yield f"mend: {one.mend.words}{where} [{verdict}]"
