"""What a route demands of requests of the Model Context Protocol, and their judgement (RQ-6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sidecar.knowledge.mcp.arguments import Cleaning, digest, encoded
from sidecar.knowledge.mcp.messages import (
    CALL,
    COMPLETE,
    GET_PROMPT,
    LISTS,
    Message,
    messages_of,
)
from sidecar.knowledge.mcp.names import Names
from sidecar.knowledge.mcp.tokens import Reserved
from sidecar.knowledge.validate.json_text import Bounds, UnfitError, read_json
from sidecar.model.body import Finding
from sidecar.model.mcp import ToolCall
from sidecar.model.refusals import RefusalCode

INVALID_PARAMS: Final = -32602
"""Code of JSON-RPC; MCP has it for a tool that is not known."""
INVALID_REQUEST: Final = -32600

_COLLISION: Final = "two names of an object are the same once they are cleaned"
_REASONS: Final = {
    CALL: "tool not allowed",
    GET_PROMPT: "prompt not allowed",
    COMPLETE: "prompt not allowed",
}
_EMPTY: Final[dict[str, object]] = {}


class Mode(StrEnum):
    """What is done about text that is not clean."""

    REFUSE = "refuse"
    CLEAN = "clean"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one caller may use; None for anything.

    Attributes:
        tools: tools.
        prompts: prompts.
    """

    tools: Names | None
    prompts: Names | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in a body.

    Attributes:
        calls: the calls of tools in it.
        finding: why it is refused; None for one that goes on.
        rpc: JSON-RPC errors that answer it; empty where a problem document does, or none.
        reported: what is only recorded.
        content: what goes on in its place; None for the body as received.
        lists: whether the answer is a list to filter.
    """

    calls: tuple[ToolCall, ...] = ()
    finding: Finding | None = None
    rpc: bytes = b""
    reported: Finding | None = None
    content: bytes | None = None
    lists: bool = False


class Firewall:
    """Judges bodies; compiled once for a route."""

    def __init__(
        self,
        bounds: Bounds,
        batch: int,
        methods: Names | None,
        mode: Mode,
        reserved: Reserved | None,
    ) -> None:
        """Keep what a route demands.

        Args:
            bounds: how large parts of a body may be.
            batch: most messages of a batch.
            methods: methods that are admitted; None for all.
            mode: what is done about text that is not clean.
            reserved: what is not clean; None where nobody asks.
        """
        self._bounds = bounds
        self._batch = batch
        self._methods = methods
        self._mode = mode
        self._reserved = reserved

    def judge(self, content: bytes, allowed: Allowed) -> Judgement:
        """Judge a body.

        Args:
            content: the body as received.
            allowed: what the caller may use.

        Controls: RQ-6.
        """
        try:
            document = read_json(content, self._bounds)
            messages = messages_of(document, self._batch)
            cleaning, params = self._cleaned(messages)
        except UnfitError as error:
            return Judgement(finding=Finding(RefusalCode.BAD_REQUEST, str(error)))
        cleans = self._mode is Mode.CLEAN and cleaning is not None and bool(cleaning.faults)
        calls = tuple(_calls(messages, params if cleans else None))
        refused = [message for message in messages if not self._admits(message, allowed)]
        if refused:
            return _refused(messages, refused, calls)
        found = None if cleaning is None or not cleaning.faults else _unclean(cleaning)
        if found is not None and self._mode is Mode.REFUSE:
            return Judgement(calls, found)
        if found is not None and cleans and cleaning is not None and cleaning.collides:
            return Judgement(calls, replace(found, reason=_COLLISION))
        return Judgement(
            calls,
            reported=found,
            content=_rewritten(document, params) if cleans else None,
            lists=any(message.method in LISTS for message in messages),
        )

    def _cleaned(
        self, messages: Sequence[Message]
    ) -> tuple[Cleaning | None, list[dict[str, object]]]:
        if self._reserved is None:
            return None, []
        cleaning = Cleaning(self._reserved)
        return cleaning, [cleaning.params(message) for message in messages]

    def _admits(self, message: Message, allowed: Allowed) -> bool:
        if not message.method:
            return True
        if self._methods is not None and not self._methods.allows(message.method):
            return False
        if message.method == CALL:
            return allowed.tools is None or allowed.tools.allows(message.params["name"])
        if allowed.prompts is None:
            return True
        if message.method == GET_PROMPT:
            return allowed.prompts.allows(message.params["name"])
        ref = message.params.get("ref") if message.method == COMPLETE else None
        # Completion of a prompt's argument tells of the prompt; one of a resource has no name.
        return not isinstance(ref, dict) or "name" not in ref or allowed.prompts.allows(ref["name"])


def _calls(
    messages: Sequence[Message], cleaned: list[dict[str, object]] | None
) -> Iterator[ToolCall]:
    for index, message in enumerate(messages):
        if message.method == CALL:
            before = message.params.get("arguments", _EMPTY)
            after = before if cleaned is None else cleaned[index].get("arguments", _EMPTY)
            name = str(message.params["name"])
            yield ToolCall(name, digest(before), None if after is before else digest(after))


def _refused(
    messages: Sequence[Message], refused: Sequence[Message], calls: tuple[ToolCall, ...]
) -> Judgement:
    """Refuse a whole body: of a batch nothing goes on where one message must not."""
    first = refused[0]
    reason = _REASONS.get(first.method, "method not allowed")
    finding = Finding(RefusalCode.TOOL_NOT_ALLOWED, reason)
    if not any(message.is_request for message in refused):
        # Nobody waits for an answer to a notification: what is left is the status of HTTP.
        return Judgement(calls, finding)
    errors = [_error(one, is_cause=one in refused) for one in messages if one.is_request]
    return Judgement(calls, finding, encoded(errors if first.at else errors[0]))


def _error(message: Message, *, is_cause: bool) -> dict[str, object]:
    code, text = INVALID_REQUEST, "Not sent: another message of the batch was refused"
    if is_cause:
        code, text = INVALID_PARAMS, "Not allowed"
    detail = {"code": code, "message": text, "data": {"code": RefusalCode.TOOL_NOT_ALLOWED}}
    return {"jsonrpc": "2.0", "id": message.id, "error": detail}


def _unclean(cleaning: Cleaning) -> Finding:
    reason = "text for a model has reserved control tokens or characters that nobody sees"
    return Finding(RefusalCode.UNPROCESSABLE, reason, tuple(cleaning.faults))


def _rewritten(document: object, params: list[dict[str, object]]) -> bytes:
    if isinstance(document, list):
        pairs = zip(document, params, strict=True)
        return encoded([_with(message, own) for message, own in pairs])
    return encoded(_with(document, params[0]))


def _with(message: object, params: dict[str, object]) -> object:
    if not isinstance(message, dict) or not isinstance(message.get("params"), dict | list):
        return message
    own: object = params if isinstance(message["params"], dict) else params["arguments"]
    return {**message, "params": own}
