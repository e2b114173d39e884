"""What may be asked about blocks: the rows of the table."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from pydantic import Field

from sidecar.lifecycle.blocks import Blocks, Wanted
from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.moments import read_expiry
from sidecar.lifecycle.operations import PAGED, Call, Operation, page_of
from sidecar.model.blocks import Block, BlockKind
from sidecar.model.moments import write_moment
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section

Document = Mapping[str, object]

_BLOCKS: Final = "/v1/blocks"
_NAMED: Final = frozenset({"kind", "value"})
_KINDS: Final = ", ".join(BlockKind)


class NewBlock(Section):
    """Whom to shut out.

    Attributes:
        kind: `address`, `key` or `tenant`.
        value: an address or a network, the id of a key, or the id of a tenant.
        until: when it ends: `2h`, a date or RFC 3339; when it is removed if left out.
        reason: why, for the audit.
        force: true overrules doubts.
    """

    kind: str
    value: Annotated[str, Field(max_length=128)]
    until: str | None = None
    reason: str = ""
    force: Flag = False


class BlockDesk:
    """Answers what is asked about blocks.

    Args:
        blocks: the blocks.
        now: tells Unix seconds.
    """

    def __init__(self, blocks: Blocks, now: Callable[[], float]) -> None:
        self._blocks = blocks
        self._now = now

    def operations(self) -> tuple[Operation, ...]:
        """List the rows; a network has a slash, so a block is named by parameters and no path."""
        return (
            Operation("GET", _BLOCKS, self._list, query=PAGED),
            Operation("POST", _BLOCKS, self._add, has_body=True, status=201),
            Operation("DELETE", _BLOCKS, self._remove, query=_NAMED),
        )

    async def _list(self, call: Call) -> Document:
        after, limit = call.page()
        documents = [document_of(one) for one in await self._blocks.list(after, limit)]
        return page_of("blocks", documents, limit)

    async def _add(self, call: Call) -> Document:
        said = call.read(NewBlock)
        until = None if said.until is None else read_expiry("until", said.until, self._now())
        wanted = Wanted(_kind(said.kind), said.value, until, said.reason, is_forced=said.force)
        return document_of(await self._blocks.add(call.actor, wanted))

    async def _remove(self, call: Call) -> Document:
        if missing := sorted(_NAMED - call.query.keys()):
            raise BadValueError(f"{missing[0]} is missing", "?kind=address&value=203.0.113.7")
        kind = _kind(call.query["kind"])
        value = await self._blocks.remove(call.actor, kind, call.query["value"])
        return {"kind": kind.value, "value": value}


def _kind(word: str) -> BlockKind:
    try:
        return BlockKind(word)
    except ValueError:
        raise BadValueError("nothing of this kind can be blocked", _KINDS) from None


def document_of(block: Block) -> Document:
    """Show a block as JSON has it."""
    return {
        "id": block.id,
        "kind": block.kind.value,
        "value": block.value,
        "until": None if block.until is None else write_moment(block.until),
        "reason": block.reason or None,
        "created": write_moment(block.created_at),
        "created_by": block.created_by,
    }
