"""What a condition may say: its words are read here, and what could cost too much is refused.

The library gives no tree of an expression, so its text is read a second time, by a reader that
knows less of CEL: plain and raw strings on one line, numbers, names, operators and brackets. What
it does not know (comments, bytes, triple quotes, quoted names, messages, optional selection) is
refused. For all that is left, both readers see the same words, and the bounds need no more than
words and brackets.

`map`, `filter` and `matches` are refused too: the library copies the list that the first two make
for every item (1,000 lists of 1,000 took 201 s), and compiles the pattern of the third for every
request (a hundred words: 0.2 s).
"""

import re
from dataclasses import dataclass, field
from typing import Final

from sidecar.knowledge.conditions.facts import FACTS, Need

_LONGEST: Final = 1000
_MOST_ITEMS: Final = 100
_DEEPEST: Final = 32
_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
    | (?P<text> "(?!"")(?: [^"\\\r\n] | \\. )*"(?!") | '(?!'')(?: [^'\\\r\n] | \\. )*'(?!')
        | r"(?!"")(?: [^"\\\r\n] | \\[^"\r\n] )*"(?!")
        | r'(?!'')(?: [^'\\\r\n] | \\[^'\r\n] )*'(?!') )
    | (?P<number> 0x[0-9a-fA-F]+u? | [0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?u? )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<sign> && | \|\| | [!=<>]= | /(?!/) | [!<>+\-*%?:,.()\[\]{}] )""",
    re.VERBOSE,
)
_MACROS: Final = frozenset({"all", "exists", "exists_one"})
FUNCTIONS: Final = frozenset(
    {
        "has", "size", "contains", "startsWith", "endsWith", "int", "double", "string",
        "timestamp", "duration", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth",
        "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds",
    }
)  # fmt: skip
"""Functions that a condition may call."""
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class ConditionError(ValueError):
    """A condition that cannot be used.

    Attributes:
        hint: what to write instead, one sentence without a full stop.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a condition.

    Attributes:
        needs: facts that it reads, in the order of the text.
        variables: names that its macros bind.
        outside: how often it names a fact outside macros.
        inside: how often inside, where that happens for every item.
        sums: number of `+`, each of which may make a list as long as all others together.
        literals: items of its list literals.
    """

    needs: tuple[Need, ...]
    variables: frozenset[str]
    outside: int
    inside: int
    sums: int
    literals: int

    def cost_of(self, weight: int) -> int:
        """Say how many values an evaluation visits at most, but for a small factor.

        Args:
            weight: weight of the facts.
        """
        longest = (weight + self.literals) * (self.sums + 1)
        return (self.outside + self.inside * longest + 1) * longest


def read(text: str) -> Reading:
    """Read a condition.

    Raises:
        ConditionError: it is over 1 kB, names what is no fact, has a macro inside a macro or a
            list of over 100 items, or says what is not read here.

    Controls: AZ-6.
    """
    if len(text.encode(errors="surrogatepass")) > _LONGEST:
        raise ConditionError("is longer than 1 kB", "several routes, each with a shorter condition")
    reader = _Reader(_words(text))
    for at in range(len(reader.words)):
        reader.take(at)
    return reader.finish()


Word = tuple[str, str]
_NOTHING: Final[Word] = ("", "")


def _words(text: str) -> list[Word]:
    words: list[Word] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ConditionError(
                f"cannot be read from {text[at : at + 12]!r} on",
                "names, numbers, operators and strings in single quotes; no comments, no bytes",
            )
        kind = str(found.lastgroup)
        if kind == "text" and words and words[-1][0] == "name" and words[-1][1] != "in":
            raise ConditionError("has a string of a kind that is not read", "'text' or r'text'")
        if kind != "blank":
            words.append((kind, found[0]))
        at = found.end()
    return words


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open.

    Attributes:
        sign: the bracket.
        variable: name that the macro binds whose arguments it holds; empty for none.
        commas: commas in it so far.
    """

    sign: str
    variable: str = ""
    commas: int = 0


@dataclass(slots=True)
class _Reader:
    """Goes through the words once, and knows which brackets are open."""

    words: list[Word]
    brackets: list[_Bracket] = field(default_factory=list)
    needs: dict[Need, None] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    outside: int = 0
    inside: int = 0
    sums: int = 0
    literals: int = 0

    def take(self, at: int) -> None:
        kind, text = self.words[at]
        if kind == "name":
            self._name(at, text)
        elif text in _CLOSING:
            self._open(at, text)
        elif kind == "sign" and text in _CLOSING.values():
            self._close(text)
        elif text == "." and kind == "sign":
            self._dot(at)
        elif text == "," and kind == "sign" and self.brackets:
            self._comma(self.brackets[-1])
        elif text == "+" and kind == "sign":
            self.sums += 1

    def finish(self) -> Reading:
        return Reading(
            tuple(self.needs), frozenset(self.variables), self.outside, self.inside, self.sums,
            self.literals,
        )  # fmt: skip

    def _word(self, at: int) -> Word:
        return self.words[at] if 0 <= at < len(self.words) else _NOTHING

    def _is_operand(self, at: int) -> bool:
        """Tell whether a value ends with a word, so that a bracket behind it indexes or calls."""
        kind, text = self._word(at)
        is_name = kind == "name" and text != "in"
        return is_name or kind in {"text", "number"} or text in {")", "]", "}"}

    def _name(self, at: int, text: str) -> None:
        if self._word(at - 1)[1] == "." or self._word(at + 1)[1] == "(":
            # A member was judged with its owner, a call is judged at its bracket.
            return
        if text in _WORDS or any(text == bracket.variable for bracket in self.brackets):
            return
        self._fact(at, text)

    def _fact(self, at: int, text: str) -> None:
        fields = FACTS.get(text)
        if fields is None:
            raise ConditionError(
                f"names {text}, which is no fact", f"one of {', '.join(sorted(FACTS))}"
            )
        member = ""
        if fields:
            member = self._word(at + 2)[1] if self._word(at + 1)[1] == "." else ""
            if member not in fields:
                raise ConditionError(
                    f"names no field of {text}",
                    f"{text} and one of {', '.join(sorted(fields))}, joined by a dot",
                )
        self.needs[text, member] = None
        if any(bracket.variable for bracket in self.brackets):
            self.inside += 1
        else:
            self.outside += 1

    def _open(self, at: int, sign: str) -> None:
        if len(self.brackets) == _DEEPEST:
            raise ConditionError(f"nests brackets over {_DEEPEST} deep", "fewer brackets")
        bracket = _Bracket(sign)
        kind, before = self._word(at - 1)
        if sign == "{" and self._is_operand(at - 1):
            raise ConditionError("makes a message", "facts, strings, numbers and lists alone")
        if sign == "(" and kind == "name" and before != "in":
            bracket.variable = self._call(at, before)
        if sign != "(" and not self._is_operand(at - 1):
            self.literals += 1
        self.brackets.append(bracket)

    def _call(self, at: int, name: str) -> str:
        """Judge a call; for a macro, name the variable that it binds."""
        if name not in _MACROS:
            if name not in FUNCTIONS:
                raise ConditionError(
                    f"calls {name}, which conditions do not have",
                    "all, exists and exists_one for lists; contains, startsWith and endsWith for"
                    " text; size, has, int, double, string, timestamp and duration",
                )
            return ""
        if any(bracket.variable for bracket in self.brackets):
            raise ConditionError(
                "has a macro inside a macro", "one all, exists or exists_one after the other"
            )
        kind, variable = self._word(at + 1)
        is_free = kind == "name" and variable not in _WORDS and variable not in FACTS
        if not is_free or self._word(at + 2)[1] != ",":
            raise ConditionError(
                f"has {name} without a variable of its own",
                f"{name}(x, …) with a name that is no fact",
            )
        self.variables.add(variable)
        return variable

    def _close(self, sign: str) -> None:
        if not self.brackets or _CLOSING[self.brackets.pop().sign] != sign:
            raise ConditionError(f"has a {sign} too many", "a closing bracket for each that opens")

    def _dot(self, at: int) -> None:
        if not self._is_operand(at - 1) or self._word(at + 1)[0] != "name":
            raise ConditionError("has a dot without names on both sides", "such as request.method")

    def _comma(self, bracket: _Bracket) -> None:
        bracket.commas += 1
        if bracket.sign != "(":
            self.literals += 1
            if bracket.commas >= _MOST_ITEMS:
                raise ConditionError(
                    f"has a list of over {_MOST_ITEMS} items", "a shorter list, or a role or scope"
                )
