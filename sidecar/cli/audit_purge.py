"""`sidecar audit purge`: records that are past their retention leave the files (AU-4)."""

import time

import click

from sidecar.adapters.audit.writer import AuditLedger
from sidecar.cli.audit_removing import (
    document_of,
    reason_of,
    removed_by,
    removing,
    timestamp,
    told_of,
)
from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.operator import actor_name
from sidecar.cli.printing import print_json
from sidecar.knowledge.audit.removal import Expiry
from sidecar.lifecycle.audit_erasure import elsewhere
from sidecar.lifecycle.audit_removal import Removed, TrailRemoval, Wish
from sidecar.policy.schema.audit import Audit


@click.command(epilog="Example: sidecar audit purge --policy sidecar.yaml --dry-run")
@click.option(
    "--reason",
    default="past its retention",
    help="Why, for the trail, in one line. [default: past its retention]",
)
@click.option(
    "--trust-clock",
    "trusts",
    flag_value="clock",
    help="Go by the clock although the trail was quiet for a tenth of the retention: if it is"
    " ahead, this removes records that are not past their retention.",
)
@removing
def command(  # noqa: PLR0913  click hands over each option by its name
    *,
    policy: str,
    reason: str,
    trusts: str | None,
    is_dry: bool,
    allow: tuple[str, ...],
    as_json: bool,
) -> int:
    """Remove records that are past the retention of their class (audit.retention).

    Rotated files alone are touched, never the one that is written. Before anything goes, a
    statement of what will be gone is written into the trail, signed where the policy has a key;
    verify takes it in the place of the records. A trail that is not whole is left alone, and so is
    one whose newest record is so old that the clock may be ahead. Killed amid this, run it again.

    Exit status: 0 done, 1 refused, or a file was left, 3 a file cannot be read or written.
    """
    reason = reason_of(reason)
    others: list[str] = []
    allowed = frozenset((*allow, trusts)) if trusts else frozenset(allow)

    async def purge(section: Audit, ledger: AuditLedger | None) -> list[Removed]:
        removal = TrailRemoval(section, ledger)
        wish = Wish(Expiry({}), actor_name(), "retention", reason, allowed, is_dry)
        wish = removal.expiry(wish, timestamp, time.time())
        trails = await removal.remove(wish)
        others.extend(elsewhere(section))
        return trails

    trails = removed_by(policy, purge, is_dry=is_dry)
    if as_json:
        print_json([document_of(one) for one in trails])
    else:
        lines = [line for one in trails for line in told_of(one, is_dry=is_dry)]
        lines += [f"not purged, others hold it: {place}" for place in others]
        click.echo("\n".join(lines))
    return NO if any(one.left for one in trails) else DONE
