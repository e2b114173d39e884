"""`sidecar audit search`: the records of a trail that fit."""

import click

from sidecar.cli.audit_reading import (
    AUDIT,
    filtered,
    pages,
    query_of,
    read,
    table_of,
    tell_unreadable,
)
from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.operator import Desk, Place, operated


@click.command(epilog="Example: sidecar audit search --tenant acme --since 24h --action 'key.*'")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@filtered
@operated
def command(place: Place, /, *, as_json: bool, **options: object) -> int:
    """Print the records that fit, the oldest file first, rotated files included.

    That it was searched is recorded as audit.read.

    Exit status: 0 there are some, 1 there is none.
    """
    query = query_of(options)

    async def search(desk: Desk) -> int:
        found = unreadable = 0
        async for lines, skipped in pages(desk, AUDIT, query):
            unreadable += skipped
            found += len(lines)
            if lines:
                click.echo("\n".join(lines) if as_json else table_of(lines))
        tell_unreadable(unreadable)
        return found

    return DONE if read(place, search) else NO
