"""How a key is judged: what more of it, less of it, or another value of it means."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from sidecar.decision.diff.changes import Judging, Side, Spot, Verdict, verdict_of
from sidecar.decision.diff.values import content_of, from_to, is_same, listed, local, short
from sidecar.policy.schema.section import Section

WIDENS, CHANGES, NARROWS, NEUTRAL = (
    Verdict.WIDENS,
    Verdict.CHANGES,
    Verdict.NARROWS,
    Verdict.NEUTRAL,
)
EVERYTHING: Final = "*"


class Rule(Protocol):
    """Judges the two values of one key; says nothing where they are the same."""

    def __call__(self, judging: Judging, spot: Spot, old: object, new: object, /) -> None:
        """Note what differs."""


Rows = Mapping[str, Rule]


def ranked(rank: Callable[[object], float]) -> Rule:
    """Judge by a rank: the higher, the wider."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = rank(old), rank(new)
        if before != after:
            judging.note(WIDENS if after > before else NARROWS, spot, from_to(old, new))
        elif not is_same(old, new):
            judging.note(CHANGES, spot, from_to(old, new))

    return judge


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} has no rank")
    return float(value)


def _or_most(value: object) -> float:
    return float("inf") if value is None else _number(value)


def _or_least(value: object) -> float:
    return float("-inf") if value is None else _number(value)


more: Final = ranked(_number)
"""The more, the wider; so is true wider than false."""
less: Final = ranked(lambda value: -_number(value))
"""The less, the wider; so is false wider than true."""
more_or_none: Final = ranked(_or_most)
"""The more, the wider; none is no bound."""
more_or_nothing: Final = ranked(_or_least)
"""The more, the wider; none is nothing at all."""


def order(*words: object) -> Rule:
    """Judge by a list of values, the narrowest first."""
    return ranked(lambda value: words.index(value) if value in words else len(words))


def opaque(what: str = "another value") -> Rule:
    """Say that it is another value, which nobody can judge and which may be a secret."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if not is_same(old, new):
            judging.note(CHANGES, spot, what)

    return judge


def neutral(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Say that it is another value, which is nobody's access."""
    if not is_same(old, new):
        judging.note(NEUTRAL, spot, "another value")


def place(*, gained: Verdict, lost: Verdict, moved: Verdict = CHANGES) -> Rule:
    """Judge a value that may be left out."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if not is_same(old, new):
            verdict = gained if old is None else lost if new is None else moved
            judging.note(verdict, spot, from_to(old, new))

    return judge


def file_content(verdict: Verdict) -> Rule:
    """Judge a file that was read: what counts is its content."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = content_of(judging.old, old), content_of(judging.new, new)
        if before != after:
            judging.note(verdict, spot, f"another file: {short(before)} → {short(after)}")

    return judge


def file_name(verdict: Verdict) -> Rule:
    """Judge a file that is written: what counts is its name."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if local(judging.old, old) != local(judging.new, new):
            judging.note(verdict, spot, "another file")

    return judge


def text_of_file(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge what stands in a file and is no secret."""
    if not is_same(old, new):
        judging.note(CHANGES, spot, f"another content: {short(old)} → {short(new)}")


def among(*, none_is_all: bool = False, is_demand: bool = False) -> Rule:
    """Judge a list of what is admitted.

    Args:
        none_is_all: whether a list that is left out, or empty, admits everything.
        is_demand: whether the list is of what is demanded, or refused: then fewer is wider.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = _set(old, none_is_all=none_is_all), _set(new, none_is_all=none_is_all)
        gone, come = _beyond(before, after), _beyond(after, before)
        if not (gone or come):
            return
        verdict = verdict_of(is_no_wider=not come, is_no_narrower=not gone)
        if is_demand:
            verdict = verdict_of(is_no_wider=not gone, is_no_narrower=not come)
        judging.note(verdict, spot, _gone_and_come(gone, come))

    return judge


def _set(value: object, *, none_is_all: bool) -> frozenset[object]:
    found = frozenset(value) if isinstance(value, tuple | frozenset) else frozenset()
    return frozenset((EVERYTHING,)) if none_is_all and not found else found


def _beyond(those: frozenset[object], these: frozenset[object]) -> frozenset[object]:
    return frozenset() if EVERYTHING in these else those - these


def _gone_and_come(gone: frozenset[object], come: frozenset[object]) -> str:
    parts = (("without", gone), ("with", come))
    return ", ".join(f"{word} {listed(sorted(map(_word, some)))}" for word, some in parts if some)


def _word(value: object) -> str:
    return "all others" if value == EVERYTHING else str(value)


def switch(rows: Rule, *, gained: Verdict, lost: Verdict, name: str = "it") -> Rule:
    """Judge a section that may be left out."""

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if old is None and new is None:
            return
        if old is None or new is None:
            verdict, what = (gained, "is added") if old is None else (lost, "is taken away")
            judging.note(verdict, spot, f"{name} {what}")
            return
        rows(judging, spot, old, new)

    return judge


def section(rows: Callable[[], Mapping[type, Rows]]) -> Rule:
    """Judge a section by its own keys.

    A key that has no row is one that nobody thought of: another value of it counts as widening.

    Args:
        rows: by kind of section, how its keys are judged.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        if not isinstance(old, Section) or type(old) is not type(new):
            judging.note(CHANGES, spot, "another kind of value")
            return
        own = rows().get(type(old), {})
        for name, about in type(old).model_fields.items():
            rule = own.get(name, _UNKNOWN)
            below = spot.below(about.alias or name)
            rule(judging, below, getattr(old, name), getattr(new, name))

    return judge


_UNKNOWN: Final = opaque("another value of a key that cannot be judged")


def keyed(
    rule: Rule, *, added: Callable[[object], Verdict], removed: Verdict, what: str = "it"
) -> Rule:
    """Judge a mapping by name.

    Args:
        rule: judges what stands in both.
        added: judges what is new.
        removed: what it means that one is gone.
        what: what it is called.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = _mapping(old), _mapping(new)
        for name in dict.fromkeys((*before, *after)):
            below = spot.below(name)
            if name not in after:
                judging.note(removed, Spot(below.old, None, spot.route), f"{what} is gone")
            elif name not in before:
                verdict = added(after[name])
                judging.note(verdict, Spot(None, below.new, spot.route), f"{what} is new")
            else:
                rule(judging, below, before[name], after[name])

    return judge


def _mapping(value: object) -> dict[str, object]:
    return {str(name): one for name, one in value.items()} if isinstance(value, Mapping) else {}


def named(
    name_of: Callable[[object, Side], object],
    rule: Rule,
    *,
    added: Verdict,
    removed: Callable[[Judging], Verdict],
    what: str,
) -> Rule:
    """Judge a list whose items have names.

    Args:
        name_of: names an item.
        rule: judges what stands in both.
        added: what it means that one is new.
        removed: what it means that one is gone.
        what: what an item is called.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = _named(name_of, judging.old, old), _named(name_of, judging.new, new)
        if before is None or after is None:
            if not is_same(old, new):
                judging.note(CHANGES, spot, f"another list, in which {what} stands twice")
            return
        for name in dict.fromkeys((*before, *after)):
            if name not in after:
                gone = Spot(spot.below(before[name][0]).old, None, spot.route)
                judging.note(removed(judging), gone, f"{what} {name} is gone")
            elif name not in before:
                come = Spot(None, spot.below(after[name][0]).new, spot.route)
                judging.note(added, come, f"{what} {name} is new")
            else:
                (at_old, one), (at_new, other) = before[name], after[name]
                rule(judging, spot.of(at_old, at_new), one, other)

    return judge


def _named(
    name_of: Callable[[object, Side], object], side: Side, values: object
) -> dict[object, tuple[int, object]] | None:
    items = values if isinstance(values, tuple) else ()
    found = {name_of(one, side): (at, one) for at, one in enumerate(items)}
    return found if len(found) == len(items) else None
