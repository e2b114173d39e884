"""Nodes as a policy: pydantic judges the values, its errors return to lines and keys.

pydantic reports every error at once, each with the path of the value; here the path finds the
node, and `hints` finds the words. Values never enter a message: what the policy's author wrote
does, and where a value was filled in from the environment, that is the text with `${NAME}`.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.model.errors import Problem
from sidecar.policy.hints import Mistake, explain
from sidecar.policy.nodes import Mapping, Node, Path, Sequence, as_written, entry_at, key_path
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.section import Section
from sidecar.policy.written import Embedded, Sources, Written

# What stands in for a part that has errors, so that the rules between sections judge the others
# in the same run; other sections fall back to their defaults. None of the rules has anything to
# say of a stand-in.
_STAND_INS: Final[dict[str, object]] = {"version": 1, "upstream": "http://sidecar.invalid"}
_ROUTE: Final = "/sidecar-stand-in/{}"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A policy as far as it could be decoded.

    Attributes:
        policy: the policy, with stand-ins for what has errors; None if not even that is one.
        problems: every error of the schema; empty if the policy is what was written.
        broken: names of the sections that have errors.
    """

    policy: Policy | None
    problems: list[Problem]
    broken: frozenset[str]


def decode(root: Mapping, sources: Sources) -> Decoded:
    """Decode a tree.

    Args:
        root: the document.
        sources: where the files and secrets that it names come from.
    """
    values = {name: value_of(entry.node) for name, entry in root.entries.items()}
    try:
        return Decoded(Policy.model_validate(values, context=sources), [], frozenset())
    except ValidationError as error:
        mistakes = mistakes_of(root, error, Policy)
    problems = problems_of(mistakes)
    broken = frozenset(str(mistake.path[0]) for mistake in mistakes)
    # A file may vanish between the two readings.
    with suppress(ValidationError):
        mended = _mended(values, [mistake.path for mistake in mistakes])
        return Decoded(Policy.model_validate(mended, context=sources), problems, broken)
    return Decoded(None, problems, broken)


def value_of(node: Node) -> object:
    """Return a node as the schema reads it."""
    if isinstance(node, Mapping):
        return {name: value_of(entry.node) for name, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [value_of(item) for item in node.items]
    if isinstance(node.value, Embedded):
        return node.value
    if isinstance(node.value, str):
        return Written.of(node.value, node.folder, is_filled=node.is_filled)
    return node.value


def mistakes_of(root: Mapping, error: ValidationError, schema: type[Section]) -> list[Mistake]:
    """Find the nodes that an error of pydantic's is about.

    Args:
        root: the document.
        error: what pydantic found.
        schema: the section that the document was to be.
    """
    return [_mistake(root, details, schema) for details in error.errors(include_url=False)]


def problems_of(mistakes: list[Mistake]) -> list[Problem]:
    """Find the words for mistakes, without those that follow from others."""
    return [_problem(mistake) for mistake in mistakes if not _follows(mistake, mistakes)]


def _mistake(root: Mapping, details: ErrorDetails, schema: type[Section]) -> Mistake:
    steps = details["loc"]
    if steps[:2] == ("audit", "sinks"):
        # The tag of the union, which is no key of the policy.
        steps = steps[:3] + steps[4:]
    is_key = steps[-2:] == (details["input"], "[key]")
    path = as_written(root, steps[:-1] if is_key else steps)
    return Mistake(details, path, entry_at(root, path), is_key=is_key, schema=schema)


def _follows(mistake: Mistake, mistakes: list[Mistake]) -> bool:
    """Tell whether it is the mere consequence of another: lists count their good items only."""
    # By pydantic's steps: the path of a single thing is the same with and without a list.
    steps = mistake.details["loc"]
    below = [other.details["loc"] for other in mistakes if other is not mistake]
    is_above = any(len(loc) > len(steps) and loc[: len(steps)] == steps for loc in below)
    return mistake.details["type"] == "too_short" and is_above


def _problem(mistake: Mistake) -> Problem:
    message, hint = explain(mistake)
    is_about_key = mistake.is_key or mistake.details["type"] == "extra_forbidden"
    place = mistake.entry.key if is_about_key else mistake.entry.node.place
    return Problem(place.file, place.line, place.column, key_path(mistake.path), message, hint)


def _mended(values: dict[str, object], broken: list[Path]) -> dict[str, object]:
    mended = dict(values)
    routes = values.get("routes")
    bad_routes = {path[1] for path in broken if path[0] == "routes" and len(path) > 1}
    for name in {path[0] for path in broken} - {"routes"}:
        mended.pop(str(name), None)
    if isinstance(routes, list) and routes:
        mended["routes"] = [
            _stand_in(index) if index in bad_routes else route for index, route in enumerate(routes)
        ]
    else:
        mended["routes"] = [_stand_in(0)]
    return {**_STAND_INS, **mended}


def _stand_in(index: int) -> dict[str, object]:
    return {"path": _ROUTE.format(index), "public": True}
