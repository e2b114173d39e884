"""What the text of a scalar means: the core schema of YAML 1.2 and `${NAME}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Numbers of more digits stay words: converting thousands of digits is slow, and Python refuses.
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}\Z")
_OCTAL_OR_HEXADECIMAL: Final = re.compile(r"0o[0-7]{1,40}\Z|0x[0-9a-fA-F]{1,40}\Z")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?\Z"
)

_VARIABLE: Final = re.compile(r"\$(\$?)\{(?:([A-Za-z_][A-Za-z0-9_]*)\})?")


@dataclass(frozen=True, slots=True)
class Filled:
    """A text after its variables were filled in.

    Attributes:
        text: the outcome.
        is_changed: true when at least one variable was filled in.
        wrong: what could not be filled in, as message and hint.
    """

    text: str
    is_changed: bool
    wrong: list[tuple[str, str]]


def typed(text: str) -> str | int | float | bool | None:
    """Type a plain scalar by the core schema of YAML 1.2 §10.3.2.

    `no`, `on`, `1:30`, `2024-01-01` and `1_000` stay words; `010` is ten. Infinity and NaN stay
    words too: nothing in a policy can be either.
    """
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if _INTEGER.match(text):
        return int(text)
    if _OCTAL_OR_HEXADECIMAL.match(text):
        return int(text, 0)
    return float(text) if _FLOAT.match(text) else text


def fill(text: str, environ: Mapping[str, str]) -> Filled:
    """Fill in `${NAME}` from the environment; `$${` stands for `${`.

    A value is filled in as it is: it is not read as YAML, and `${` inside it has no meaning.
    """
    wrong: list[tuple[str, str]] = []
    is_changed = False

    def value_of(found: re.Match[str]) -> str:
        nonlocal is_changed
        if found[1]:
            return found[0][1:]
        name = found[2]
        if name is None:
            hint = "${NAME} with letters, digits and _; $${ for the two characters themselves"
            wrong.append(("'${' begins no variable", hint))
            return found[0]
        if name not in environ:
            wrong.append((f"the variable {name} is not set", f"export {name}, or write the value"))
            return found[0]
        is_changed = True
        return environ[name]

    return Filled(_VARIABLE.sub(value_of, text), is_changed, wrong)
