"""`sidecar audit tail`: the last records of a trail."""

import click

from sidecar.cli.audit_reading import AUDIT, filtered, lines_of, query_of, read, table_of
from sidecar.cli.exit_codes import DONE
from sidecar.cli.operator import Place, operated


@click.command(epilog="Example: sidecar audit tail -n 20 --outcome refused")
@click.option(
    "-n", "--number", type=click.IntRange(1, 500), default=10, help="How many. [default: 10]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
@filtered
@operated
def command(place: Place, /, *, number: int, as_json: bool, **options: object) -> int:
    """Print the last records that fit, of the last 32 MiB of the trail.

    That it was read is recorded as audit.read.
    """
    query = {**query_of(options), "last": str(number)}
    lines = lines_of(read(place, lambda desk: desk.call("GET", AUDIT, query=query)))
    click.echo("\n".join(lines) if as_json else table_of(lines))
    return DONE
