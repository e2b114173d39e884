"""Messages of JSON-RPC 2.0 as MCP sends them, read so that they have one meaning (RQ-6).

What a reader of the service could take for something else is refused: members of the envelope that
the specification does not have, and second spellings of members that are judged (readers of Go and
.NET know names without case).

Source: JSON-RPC 2.0; MCP 2025-03-26 and 2025-06-18, base protocol.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.mcp.characters import folded
from sidecar.knowledge.validate.json_text import UnfitError

CALL: Final = "tools/call"
GET_PROMPT: Final = "prompts/get"
COMPLETE: Final = "completion/complete"
LISTS: Final = frozenset({"tools/list", "prompts/list"})

TEXTS: Final = ("argument", "arguments", "messages")
"""Members of `params` that hold text for a model."""

METHOD_CHARACTERS: Final = 128
ID_CHARACTERS: Final = 256

Id = str | int | float | None

_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_JUDGED: Final = frozenset({*TEXTS, "name", "ref"})
_JUDGED_OF_REF: Final = frozenset({"name"})
_METHODS: Final = frozenset({*LISTS, CALL, GET_PROMPT, COMPLETE})


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a request's body.

    Attributes:
        at: where it stands in the body: nothing, or its place in the batch.
        method: what is asked; empty for an answer to the server.
        id: id of a request.
        is_request: whether it has an id and wants an answer; a notification has none.
        params: its parameters by name; empty where it has none, or a list of them.
    """

    at: tuple[int, ...]
    method: str
    id: Id
    is_request: bool
    params: dict[str, object]


def messages_of(document: object, most: int) -> list[Message]:
    """Judge the messages of a body.

    Args:
        document: the body, parsed.
        most: messages of a batch.

    Raises:
        UnfitError: it is no message, or no batch of them, or has two meanings.
    """
    if not isinstance(document, list):
        return [_message(document, ())]
    if not document:
        raise UnfitError("the batch is empty")
    if len(document) > most:
        raise UnfitError(f"the batch has more than {most} messages")
    return [_message(one, (index,)) for index, one in enumerate(document)]


def _message(value: object, at: tuple[int, ...]) -> Message:
    if not isinstance(value, dict):
        raise UnfitError("a message is no object")
    if value.get("jsonrpc") != "2.0":
        raise UnfitError("a message is not of JSON-RPC 2.0")
    if not value.keys() <= _ENVELOPE:
        raise UnfitError("a message has a member that JSON-RPC does not know")
    identity = _id_of(value)
    if "method" not in value:
        _judge_answer(value)
        return Message(at, "", identity, is_request=False, params={})
    method = value["method"]
    if not isinstance(method, str) or not 0 < len(method) <= METHOD_CHARACTERS:
        raise UnfitError("a message has a method that is no name")
    if method not in _METHODS and _folded(method) in _METHODS:
        raise UnfitError("a message has a method under a second spelling")
    if "result" in value or "error" in value:
        raise UnfitError("a message is a request and an answer")
    params = _params(value.get("params", {}), method)
    return Message(at, method, identity, is_request="id" in value, params=params)


def _judge_answer(value: dict[str, object]) -> None:
    if "id" not in value or ("result" in value) == ("error" in value) or "params" in value:
        raise UnfitError("a message is neither a request nor an answer")


def _id_of(value: dict[str, object]) -> Id:
    identity = value.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | float | None):
        raise UnfitError("a message has an id that is neither text nor number")
    if isinstance(identity, str) and len(identity) > ID_CHARACTERS:
        raise UnfitError("a message has an id that is too long")
    return identity


def _params(value: object, method: str) -> dict[str, object]:
    if isinstance(value, list) and method not in {CALL, GET_PROMPT, COMPLETE}:
        # JSON-RPC knows them by position; no message of MCP has them so.
        return {"arguments": value}
    if not isinstance(value, dict):
        raise UnfitError("a message has parameters that are no object")
    _judge_spellings(value, _JUDGED)
    if method == COMPLETE and isinstance(value.get("ref"), dict):
        _judge_spellings(value["ref"], _JUDGED_OF_REF)
    if method in {CALL, GET_PROMPT}:
        _judge_call(value)
    return value


def _judge_spellings(members: Iterable[str], judged: frozenset[str]) -> None:
    for name in members:
        if name not in judged and _folded(name) in judged:
            raise UnfitError("a message has a parameter under a second spelling")


def _folded(name: str) -> str:
    """Spell a name as the most careless reader would know it."""
    return folded(name.partition("\0")[0])[0].strip()


def _judge_call(params: dict[str, object]) -> None:
    if not isinstance(params.get("name"), str):
        raise UnfitError("a call names nothing")
    if not isinstance(params.get("arguments", {}), dict | None):
        raise UnfitError("a call has arguments that are no object")
