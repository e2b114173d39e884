"""Which route a request has under either policy, for every kind of request that there is.

All templates of both policies are walked at once, as an automaton: at each segment a request has a
literal that one of them knows, the same in another case, or something that none knows. Requests
that come to the same state meet the same templates, so one of them stands for all.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sidecar.decision.matcher import Matcher
from sidecar.model.template import Kind, Template
from sidecar.policy.schema.policy import Policy

CLOSED: Final = -1
"""No route: the request is refused."""
OPEN: Final = -2
"""No route, and shadow mode lets it pass."""
MOST: Final = 200_000
"""Most kinds of paths, times hosts, that are compared."""

_UNKNOWN: Final = "x-nothing-knows-this"
_UNKNOWN_METHOD: Final = "X-OTHER"
_OTHER: Final = "other methods"
_ANY: Final = ("any method",)
# Characters whose small letter is that of another capital: Unicode 15, Lowercase_Mapping.
_FURTHER_CAPITALS: Final = {
    "k": "\u212a",
    "\u00e5": "\u212b",
    "\u03c9": "\u2126",
    "\u00df": "\u1e9e",
}


class TooManyError(Exception):
    """The templates can be met in more ways than can be compared."""


@dataclass(frozen=True, slots=True)
class Kindred:
    """Requests that both policies treat alike.

    Attributes:
        host: a host of one; None for any that no route names.
        path: a path of one.
        methods: their methods; `other` stands for those that no route names.
    """

    host: str | None
    path: str
    methods: tuple[str, ...]

    def __str__(self) -> str:
        """Read as in `GET,POST api.example.com/orders/…`."""
        return f"{','.join(self.methods)} {self.host or ''}{self.path}"


@dataclass(slots=True)
class _Choice:
    by_method: dict[str, int] = field(default_factory=dict)
    every: int | None = None


class Routing:
    """The routes of a policy, as its requests find them."""

    def __init__(self, policy: Policy) -> None:
        choices: dict[object, tuple[Template, _Choice]] = {}
        for index, route in enumerate(policy.routes):
            template = route.template
            _, choice = choices.setdefault(template.shape, (template, _Choice()))
            if route.admitted_methods is None:
                choice.every = index
            else:
                choice.by_method.update(dict.fromkeys(route.admitted_methods, index))
        self.templates = [template for template, _ in choices.values()]
        self._matcher = Matcher(choices.values())
        self._otherwise = OPEN if policy.mode == "shadow" else CLOSED

    def found(self, host: str | None, path: tuple[str, ...]) -> dict[str, int]:
        """List the routes of a host and a path by method; `_UNKNOWN_METHOD` is all others."""
        choice = self._matcher.find(None if host is None else host.encode(), path)
        if choice is None:
            return {_UNKNOWN_METHOD: self._otherwise}
        other = self._unlisted(choice) if choice.every is None else choice.every
        return {**choice.by_method, _UNKNOWN_METHOD: other}

    def _unlisted(self, choice: _Choice) -> int:
        """Say what a method gets that no route of a template lists.

        What shadow mode lets pass goes on by the rules of the first one, which may enforce its own.
        """
        return CLOSED if self._otherwise == CLOSED else next(iter(choice.by_method.values()))


def pairs(old: Policy, new: Policy) -> dict[tuple[int, int], list[Kindred]]:
    """List which routes requests have under both policies.

    Args:
        old: one policy.
        new: the other.

    Returns:
        By index of the route in either, CLOSED or OPEN: the kinds of requests that have them.

    Raises:
        TooManyError: there are too many kinds of requests.
    """
    before, after = Routing(old), Routing(new)
    templates = (*before.templates, *after.templates)
    hosts = _hosts(templates)
    found: dict[tuple[int, int], list[Kindred]] = {}
    for path, host in itertools.product(_paths(templates, MOST // len(hosts)), hosts):
        text = "/" + "/".join("…" if one == _UNKNOWN else one for one in path)
        by_pair = _by_pair(before.found(host, path), after.found(host, path))
        for pair, methods in by_pair.items():
            found.setdefault(pair, []).append(Kindred(host, text, methods))
    return found


def _by_pair(old: dict[str, int], new: dict[str, int]) -> dict[tuple[int, int], tuple[str, ...]]:
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    for method in dict.fromkeys((*sorted(old), *sorted(new))):
        pair = (
            old.get(method, old[_UNKNOWN_METHOD]),
            new.get(method, new[_UNKNOWN_METHOD]),
        )
        word = _OTHER if method == _UNKNOWN_METHOD else method
        found[pair] = (*found.get(pair, ()), word)
    return dict.fromkeys(found, _ANY) if len(found) == 1 else found


def _hosts(templates: tuple[Template, ...]) -> list[str | None]:
    names = dict.fromkeys(template.host for template in templates)
    return [
        None,
        *(_UNKNOWN + name[1:] if name.startswith("*.") else name for name in names if name),
    ]


class _Node:
    """A place in all templates, hosts left aside.

    Attributes:
        literals: what follows, by literal in small letters and then as written.
        one: what follows any segment.
        rest: what goes on for ever, whatever follows.
    """

    __slots__ = ("is_rest", "literals", "one", "rest")

    def __init__(self, *, is_rest: bool = False) -> None:
        self.literals: dict[str, dict[str, _Node]] = {}
        self.one: _Node | None = None
        self.rest: _Node | None = None
        self.is_rest = is_rest

    def add(self, template: Template) -> None:
        """Note where a template leads."""
        node = self
        for segment in template.segments:
            if segment.kind is Kind.LITERAL:
                spellings = node.literals.setdefault(segment.text.lower(), {})
                node = spellings.setdefault(segment.text, _Node())
            elif segment.kind is Kind.ONE:
                node.one = node = node.one or _Node()
            else:
                node.rest = node.rest or _Node(is_rest=True)

    def after(self, word: str) -> "Iterator[tuple[_Node, bool]]":
        """List where a segment leads, and whether as written or only if case is ignored."""
        for follower in (self if self.is_rest else None, self.one, self.rest):
            if follower is not None:
                yield follower, True
        for literal, child in self.literals.get(word.lower(), {}).items():
            yield child, literal == word


# Whether the path was met as it is written or only if case is ignored, for each place it is at.
_State = frozenset[tuple[_Node, bool]]


def _paths(templates: tuple[Template, ...], most: int) -> Iterator[tuple[str, ...]]:
    """Give one path for each set of templates that a path may meet."""
    root = _Node()
    for template in templates:
        root.add(template)
    start: _State = frozenset(((root, True),))
    known: set[_State] = {start}
    waiting: list[tuple[_State, tuple[str, ...]]] = [(start, ())]
    for state, path in waiting:
        yield path
        steps = ((word, _after(state, word)) for word in _words(state))
        fresh = {then: word for word, then in steps if then not in known}
        known |= fresh.keys()
        if len(known) > most:
            raise TooManyError
        waiting += [(then, (*path, word)) for then, word in fresh.items()]


def _after(state: _State, word: str) -> _State:
    return frozenset(
        (child, was_exact and is_exact)
        for node, was_exact in state
        for child, is_exact in node.after(word)
    )


def _words(state: _State) -> list[str]:
    spellings = [each for node, _ in state for each in node.literals.values()]
    literals = dict.fromkeys(word for each in spellings for word in each)
    return [*literals, *filter(None, (_otherwise(word, literals) for word in literals)), _UNKNOWN]


def _otherwise(word: str, literals: dict[str, None]) -> str | None:
    """Spell a word in another case, in which no template has it."""
    lower = word.lower()
    return next(
        (one for one in _spellings(word) if one not in literals and one.lower() == lower), None
    )


def _spellings(word: str) -> Iterator[str]:
    """Change the case of all letters, then of one: the capital of some letters is two others."""
    yield word.upper()
    yield word.lower()
    for at, letter in enumerate(word):
        for other in (letter.upper(), letter.lower(), *_FURTHER_CAPITALS.get(letter.lower(), "")):
            yield word[:at] + other + word[at + 1 :]
