"""What may be asked of an installation, as a table that the admin API and the command line share.

An operation is a method, a path, the members of its body and what it does. The admin listener
serves the table over HTTP; a command that acts on a store itself calls the same rows, so both
know the same words, refuse the same values and answer with the same documents.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sidecar.lifecycle.errors import BadValueError
from sidecar.policy.schema.section import Section

PAGE_MAX: Final = 500
_PAGE: Final = 100
_ID_MAX: Final = 128

B = TypeVar("B", bound=Section)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Attributes:
        actor: who calls: the name of a token, or `cli:` and the user's name.
        ids: the variable parts of the path.
        query: the parameters.
        members: the members of the JSON body.
    """

    actor: str
    ids: Mapping[str, str]
    query: Mapping[str, str]
    members: Mapping[str, object]

    def read(self, section: type[B]) -> B:
        """Read the body as a section, which knows its members and what they may be.

        Raises:
            BadValueError: it names every member that does not fit, and never a value, which may be
                a secret.
        """
        try:
            return section.model_validate(self.members)
        except ValidationError as error:
            found = [_told(details, section) for details in error.errors(include_url=False)]
        hint = "; ".join(dict.fromkeys(hint for _, hint in found if hint))
        raise BadValueError("; ".join(message for message, _ in found), hint)

    def page(self) -> tuple[str, int]:
        """Return the id after which the wanted page begins, and its length.

        Raises:
            BadValueError: `limit` is no number from 1 to 500, or `after` no id.
        """
        after = self.query.get("after", "")
        if not (after.isascii() and after.isprintable() and len(after) <= _ID_MAX):
            raise BadValueError("after is no id", "next of the page before")
        text = self.query.get("limit", str(_PAGE))
        limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len("500") else 0
        if not 1 <= limit <= PAGE_MAX:
            raise BadValueError("limit is no number of records", f"1 to {PAGE_MAX}")
        return after, limit


Run = Callable[[Call], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table.

    Attributes:
        method: GET only looks; POST, PUT and DELETE change.
        path: such as `/v1/keys/{id}`.
        run: does it, and returns the document that is the answer.
        query: the parameters that it knows.
        has_body: whether it takes a body.
        status: HTTP status of success.
    """

    method: str
    path: str
    run: Run
    query: frozenset[str] = frozenset()
    has_body: bool = False
    status: int = 200

    async def perform(
        self, actor: str, ids: Mapping[str, str], query: Iterable[tuple[str, str]], body: bytes
    ) -> Mapping[str, object]:
        """Judge parameters and body, then do it.

        Args:
            actor: who calls.
            ids: the variable parts of the path.
            query: the parameters.
            body: JSON; empty for none.

        Raises:
            LifecycleError: it was not done; nothing was changed.
            StoreUnavailableError: a store cannot answer.
        """
        given = _known_parameters(query, self.query)
        members = read_members(body) if body else {}
        if members and not self.has_body:
            raise BadValueError(f"{_shown(next(iter(members)))} is no member", "send no body")
        return await self.run(Call(actor, ids, given, members))


PAGED: Final = frozenset({"after", "limit"})


def page_of(name: str, documents: list[Mapping[str, object]], limit: int) -> Mapping[str, object]:
    """Make the answer of a listing: a page, and after which id the next one begins."""
    after = documents[-1].get("id") if len(documents) == limit else None
    return {name: documents, "next": after}


def read_members(body: bytes) -> Mapping[str, object]:
    """Read a JSON object strictly: no member twice (RFC 8259 §4).

    Raises:
        BadValueError: it is none.
    """
    try:
        members = json.loads(body, object_pairs_hook=_unique)
    # Lists in lists beyond the depth of the interpreter are no body of anybody's.
    except (ValueError, RecursionError) as error:
        raise BadValueError("the body is no JSON", "an object in UTF-8") from error
    if not isinstance(members, dict):
        raise BadValueError("the body is no object", '{"name": value}')
    return members


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadValueError("the body names a member twice", "each member once")
    return members


def _known_parameters(query: Iterable[tuple[str, str]], known: frozenset[str]) -> Mapping[str, str]:
    given: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            hint = f"known here: {', '.join(sorted(known)) or 'none'}"
            raise BadValueError(f"{_shown(name)} is no parameter", hint)
        if name in given:
            raise BadValueError(f"{name} is given twice", "each parameter once")
        given[name] = value
    return given


def _told(details: ErrorDetails, section: type[Section]) -> tuple[str, str]:
    """Say what is wrong with a member, and how to mend it."""
    name = _shown(".".join(str(step) for step in details["loc"]))
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return (
                f"{name} is no member",
                f"known here: {', '.join(section.model_fields) or 'none'}",
            )
        case "missing":
            return f"{name} is missing", ""
        case "misfit":
            return f"{name} {context['message']}", str(context["hint"])
        case _:
            return f"{name}: {details['msg']}", ""


def _shown(name: str) -> str:
    return name[:64] if name.isprintable() else ascii(name[:64])
