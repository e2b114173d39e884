"""Refuse addresses that an operator shut out, before anything else costs anything."""

from typing import ClassVar, Final

from sidecar.model.blocks import Block, KnownBlocks
from sidecar.model.exchange import Exchange
from sidecar.model.moments import write_moment
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step

UNKNOWN_BLOCKS: Final = "who is blocked is not known"


class BlockedAddress(Step):
    """Refuse a blocked client; everybody while nobody can say who is blocked.

    A block is an emergency measure: shadow mode does not switch it off.
    """

    name: ClassVar[str] = "blocked_address"
    reads: ClassVar[frozenset[str]] = frozenset({"client", "now"})
    writes: ClassVar[frozenset[str]] = frozenset()
    can_shadow: ClassVar[bool] = False

    def __init__(self, known: KnownBlocks) -> None:
        self._known = known

    def decide(self, exchange: Exchange) -> Outcome:
        """Look the client up; who is on the list is refused however old it is."""
        known = self._known
        block = known.address(exchange.client, exchange.now)
        if block is not None:
            return Refuse(RefusalCode.FORBIDDEN, reason_of(block))
        if known.is_current():
            return PASS
        return Refuse(RefusalCode.STORE_UNAVAILABLE, UNKNOWN_BLOCKS)


def reason_of(block: Block) -> str:
    """Say in the audit's words which block holds, and for how long."""
    end = "it is lifted" if block.until is None else write_moment(block.until)
    return f"blocked {block.kind}: {block.value} until {end}"
