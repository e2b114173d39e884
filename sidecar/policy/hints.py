"""The words for what pydantic found: what is wrong with a value, and how to mend it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, get_args

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sidecar.policy.nodes import Entry, Mapping, Path, Scalar, Sequence, quoted
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.section import Section

# Pages of words help nobody.
_SHOWN_WORDS: Final = 24


@dataclass(frozen=True, slots=True)
class Mistake:
    """One error of pydantic's, and the part of the tree that it is about.

    Attributes:
        details: pydantic's account.
        path: path of the value in the policy.
        entry: the entry at the path, or the nearest one above it.
        is_key: true when the key is wrong, not its value.
        schema: the outermost section.
    """

    details: ErrorDetails
    path: Path
    entry: Entry
    is_key: bool
    schema: type[Section] = Policy

    def context(self, name: str) -> object:
        """One fact that the validator gave with its error."""
        return self.details.get("ctx", {}).get(name)


def explain(mistake: Mistake) -> tuple[str, str]:
    """Find message and hint for a mistake."""
    words = _WORDS.get(mistake.details["type"])
    if words is None:
        return "does not fit here", "see the schema: sidecar schema"
    return words(mistake)


def _misfit(mistake: Mistake) -> tuple[str, str]:
    node = mistake.entry.node
    is_filled = isinstance(node, Scalar) and node.is_filled
    message = str(mistake.context("message"))
    detail = mistake.context("detail")
    if detail and not is_filled:
        message = f"{message}: {detail}"
    if mistake.context("is_quoted"):
        message = f"{_subject(mistake)} {message}"
    if is_filled:
        message = f"{message} (after its variables are filled in)"
    return message, str(mistake.context("hint"))


def _subject(mistake: Mistake) -> str:
    """Quote what the author wrote, never what it became."""
    if mistake.is_key:
        return quoted(str(mistake.path[-1]))
    node = mistake.entry.node
    return quoted(node.source) if isinstance(node, Scalar) else _kind(mistake)


def _kind(mistake: Mistake) -> str:
    node = mistake.entry.node
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true or false"
    return "text" if isinstance(node.value, str) else "a number"


def _missing(mistake: Mistake) -> tuple[str, str]:
    name = str(mistake.path[-1])
    return f"the key {quoted(name)} is missing", f"add {name}: {_example(mistake)}"


def _unknown_key(mistake: Mistake) -> tuple[str, str]:
    name = str(mistake.path[-1])
    # Where a section may be one of several, they share keys.
    known = list(dict.fromkeys(_keys_at(mistake.schema, mistake.path[:-1])))
    close = _closest(name.lower(), known)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"unknown key {quoted(name)}", f"{meant}known here: {', '.join(known)}"


def _mapping_expected(mistake: Mistake) -> tuple[str, str]:
    known = _keys_at(mistake.schema, mistake.path)
    if ":" in _subject(mistake):
        hint = "put a blank after the colon of key: value"
        return f"a mapping is expected, not {_kind(mistake)}", hint
    keys = f"keys such as {known[0]}: under it" if known else "key: value pairs under it"
    return f"a mapping is expected, not {_kind(mistake)}", f"write {keys}, or leave it out"


def _list_expected(mistake: Mistake) -> tuple[str, str]:
    hint = "write [a, b], or one item per line after '- '"
    return f"a list is expected, not {_kind(mistake)}", hint


def _text_expected(mistake: Mistake) -> tuple[str, str]:
    example = mistake.context("example") or _example(mistake)
    if isinstance(mistake.entry.node, Scalar) and mistake.entry.node.value is not None:
        return f"text is expected, not {_kind(mistake)}", f"put it in quotes, or write {example}"
    return f"text is expected, not {_kind(mistake)}", f"write for example {example}"


def _number_expected(mistake: Mistake) -> tuple[str, str]:
    message = f"a whole number is expected, not {_kind(mistake)}"
    return message, "write digits alone, without quotes and unit"


def _flag_expected(mistake: Mistake) -> tuple[str, str]:
    message = f"true or false is expected, not {_kind(mistake)}"
    return message, "write true or false, without quotes; yes and on are words"


def _too_small(mistake: Mistake) -> tuple[str, str]:
    return f"{_subject(mistake)} is too small", f"at least {mistake.context('ge')}"


def _too_large(mistake: Mistake) -> tuple[str, str]:
    return f"{_subject(mistake)} is too large", f"at most {mistake.context('le')}"


def _empty(mistake: Mistake) -> tuple[str, str]:
    return "is empty", f"write for example {_example(mistake)}"


def _no_such_word(mistake: Mistake) -> tuple[str, str]:
    words = str(mistake.context("expected")).replace(" or ", ", ").replace("'", "").split(", ")
    close = _closest(_subject(mistake).strip("'"), words)
    meant = f"did you mean {close[0]}? " if close else ""
    hint = f"{meant}allowed: {', '.join(words[:_SHOWN_WORDS])}"
    return f"{_subject(mistake)} is not among the allowed words", hint


_WORDS: Final = MappingProxyType[str, Callable[[Mistake], tuple[str, str]]](
    {
        "misfit": _misfit,
        "missing": _missing,
        "extra_forbidden": _unknown_key,
        "model_type": _mapping_expected,
        "dict_type": _mapping_expected,
        "tuple_type": _list_expected,
        "string_type": _text_expected,
        "int_type": _number_expected,
        "bool_type": _flag_expected,
        "greater_than_equal": _too_small,
        "less_than_equal": _too_large,
        "too_short": _empty,
        "string_too_short": _empty,
        "literal_error": _no_such_word,
        "enum": _no_such_word,
    }
)


def _keys_at(schema: type[Section], path: Path) -> list[str]:
    """List the keys that the schema knows at a path."""
    return [name for section in _sections_at(schema, path) for name in _fields_of(section)]


def _field_at(schema: type[Section], path: Path) -> FieldInfo:
    """Find the field of the schema at a path that ends with its name."""
    name = str(path[-1])
    sections = _sections_at(schema, path[:-1])
    return next(f[name] for s in sections if name in (f := _fields_of(s)))


def _example(mistake: Mistake) -> object:
    return (_field_at(mistake.schema, mistake.path).examples or ["…"])[0]


def _sections_at(schema: type[Section], path: Path) -> list[type[Section]]:
    sections: list[type[Section]] = [schema]
    for step in path:
        # Indexes, and keys of free choice, stay within the sections that are already found.
        fields = (_fields_of(section).get(str(step)) for section in sections)
        field = next((field for field in fields if field is not None), None)
        if field is not None:
            sections = list(_sections_in(field.annotation))
    return sections


def _fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _sections_in(annotation: object) -> Iterable[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _closest(word: str, known: Iterable[str]) -> list[str]:
    # Only a policy with mistakes needs it; the process that serves keeps what it imports.
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=1)
