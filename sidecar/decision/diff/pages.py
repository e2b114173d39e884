"""What another value of a field of answers means for pages: proven stricter, or unknown.

Sources: CSP level 3 §6.8.3 (what stands in for a directive that is not there), §6.7.3.2 (what makes
`'unsafe-inline'` count for nothing), §6.7.2.8 (what `*` admits).
"""

from collections.abc import Mapping
from typing import Final

from sidecar.decision.diff.changes import Judging, Spot, verdict_of
from sidecar.decision.diff.rules import CHANGES, NARROWS, WIDENS, Rule
from sidecar.decision.diff.values import from_to
from sidecar.decision.steps.security_headers import REVEALING
from sidecar.policy.schema.csp import DIRECTIVES, NONCE, SOURCE_LISTS, is_web_source

Directives = Mapping[str, tuple[str, ...]]
_Words = frozenset[str] | None
"""What a directive admits; None: everything."""

_UNBOUND: Final = frozenset(("base-uri", "form-action", "frame-ancestors"))
"""Lists of sources that `default-src` says nothing of."""
_ALLOWING: Final = _UNBOUND | {"sandbox", "trusted-types"}
"""Directives without which all is admitted, and whose words each admit something."""
_INSTEAD: Final[Mapping[str, tuple[str, ...]]] = {
    "script-src-elem": ("script-src",),
    "script-src-attr": ("script-src",),
    "style-src-elem": ("style-src",),
    "style-src-attr": ("style-src",),
    "worker-src": ("child-src", "script-src"),
    "frame-src": ("child-src",),
    "fenced-frame-src": ("frame-src", "child-src"),
}
_SAYS_NOTHING: Final = frozenset(("'none'", "'report-sample'"))
_DEMAND: Final = "require-trusted-types-for"
_FRAMES: Final = "frame-ancestors"
_KNOWN: Final = SOURCE_LISTS | _ALLOWING | {_DEMAND}
# Values of fields than which none is stricter, whatever was sent before.
_STRICTEST: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "deny",
    "x-permitted-cross-domain-policies": "none",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def judge_directives(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge what browsers enforce."""
    if old == new:
        return
    before, after = _directives(old), _directives(new)
    if before is None or after is None or _rest(before) != _rest(after):
        # Without any there is that of the preset, or none.
        judging.note(CHANGES, spot, "another value")
        return
    verdict = verdict_of(
        is_no_wider=_is_no_wider(before, after), is_no_narrower=_is_no_wider(after, before)
    )
    names = [name for name in sorted(DIRECTIVES) if before.get(name) != after.get(name)]
    judging.note(verdict, spot, f"other sources: {', '.join(names)}")


def judge_beside(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge what becomes of the service's own: both hold with `add`, the strictest."""
    if old != new:
        verdict = NARROWS if new == "add" else WIDENS if old == "add" else CHANGES
        judging.note(verdict, spot, from_to(old, new))


def judge_set(unknown: Rule) -> Rule:
    """Judge fields that are set: the strictest value of a field takes nothing away.

    Args:
        unknown: judges any other.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = _fields(old), _fields(new)
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if changed and all(after.get(name) == _STRICTEST.get(name, "") for name in changed):
            judging.note(NARROWS, spot, f"the strictest: {', '.join(changed)}")
        else:
            unknown(judging, spot, old, new)

    return judge


def judge_removed(unknown: Rule) -> Rule:
    """Judge fields that are taken away: what reveals the service protects nobody.

    Args:
        unknown: judges any other.
    """

    def judge(judging: Judging, spot: Spot, old: object, new: object) -> None:
        before, after = _names(old), _names(new)
        come = after - before
        if come and before <= after and come <= frozenset(REVEALING):
            judging.note(NARROWS, spot, f"without {', '.join(sorted(come))}")
        else:
            unknown(judging, spot, old, new)

    return judge


def judge_roles(judging: Judging, spot: Spot, old: object, new: object) -> None:
    """Judge the order of roles; who gets in by it is judged with each route and permission.

    A role has what lists of MCP give to lower ones.
    """
    if old == new:
        return
    below, above = _below(old), _below(new)
    verdict = verdict_of(
        is_no_wider=_is_no_higher(below, above), is_no_narrower=_is_no_higher(above, below)
    )
    judging.note(verdict, spot, from_to(old, new))


def _below(value: object) -> dict[str, frozenset[str]]:
    roles = tuple(map(str, value)) if isinstance(value, tuple) else ()
    return {role: frozenset(roles[at:]) for at, role in enumerate(roles)}


def _is_no_higher(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> bool:
    return all(lower <= before.get(role, frozenset()) for role, lower in after.items())


def _fields(value: object) -> dict[str, str]:
    items = value.items() if isinstance(value, Mapping) else ()
    return {str(name).lower(): str(text).strip().lower() for name, text in items}


def _names(value: object) -> frozenset[str]:
    return (
        frozenset(str(name).lower() for name in value) if isinstance(value, tuple) else frozenset()
    )


def _directives(value: object) -> Directives | None:
    return value if isinstance(value, Mapping) else None


def _rest(directives: Directives) -> dict[str, tuple[str, ...]]:
    return {name: words for name, words in directives.items() if name not in _KNOWN}


def _is_no_wider(old: Directives, new: Directives) -> bool:
    """Prove that a page may no more than before."""
    if not frozenset(old.get(_DEMAND, ())) <= frozenset(new.get(_DEMAND, ())):
        return False
    return all(
        _holds(name, _words(old, name), _words(new, name)) for name in SOURCE_LISTS | _ALLOWING
    )


def _holds(name: str, old: _Words, new: _Words) -> bool:
    if new is None or (name == _FRAMES and old is None):
        # Where there are ancestors, X-Frame-Options counts for nothing.
        return old is None if new is None else not new
    if old is None:
        return True
    come = new - old
    if "*" in old and name in SOURCE_LISTS:
        come = frozenset(word for word in come if not is_web_source(word))
    # Without these `'unsafe-inline'` and hosts count again.
    return not come and (not new or not any(map(_silences, old - new)))


def _silences(word: str) -> bool:
    return word in {NONCE, "'strict-dynamic'"} or word.startswith("'sha")


def _words(directives: Directives, name: str) -> _Words:
    """Find what a directive admits, or another that stands in for it."""
    last = () if name in _ALLOWING else ("default-src",)
    for one in (name, *_INSTEAD.get(name, ()), *last):
        if one in directives:
            return frozenset(directives[one]) - _SAYS_NOTHING
    return None
