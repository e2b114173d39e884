"""`sidecar audit export`: records in a file or on standard output, for other systems (AU-3)."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import click

from sidecar import __version__
from sidecar.cli.audit_reading import (
    EXPORT,
    each,
    filtered,
    pages,
    query_of,
    read,
    tell_unreadable,
)
from sidecar.cli.exit_codes import DONE, USAGE, CommandError
from sidecar.cli.operator import Desk, Place, operated
from sidecar.cli.printing import tell
from sidecar.knowledge.audit.formats import csv_header, csv_line, ocsf

_MODE: Final = 0o600


def _jsonl(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _csv(lines: list[str]) -> str:
    return "".join(map(csv_line, each(lines)))


def _ocsf(lines: list[str]) -> str:
    events = (ocsf(record, __version__) for record in each(lines))
    return "".join(
        f"{json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n" for event in events
    )


_FORMATS: Final[dict[str, Callable[[list[str]], str]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "ocsf": _ocsf,
}


@click.command(epilog="Example: sidecar audit export --tenant acme --format csv --output acme.csv")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="jsonl",
    help="jsonl: as written, for verify; csv: a table; ocsf: events of OCSF 1.3. [default: jsonl]",
)
@click.option(
    "--output", metavar="FILE", help="A new file, for its owner alone; standard output if left out."
)
@filtered
@operated
def command(place: Place, /, *, form: str, output: str | None, **options: object) -> int:
    """Write the records that fit, the oldest file first, rotated files included.

    Where the policy says audit.export_tiers, an export of a tenant needs one of these tiers. Each
    page of an export is recorded as audit.export.
    """
    query, write = query_of(options), _FORMATS[form]

    async def export(desk: Desk) -> int:
        count = unreadable = 0
        with _opened(output) as file:
            file.write(csv_header() if form == "csv" else "")
            async for lines, skipped in pages(desk, EXPORT, query):
                file.write(write(lines))
                count += len(lines)
                unreadable += skipped
        tell_unreadable(unreadable)
        return count

    count = read(place, export)
    tell(f"{count} records")
    return DONE


@contextmanager
def _opened(output: str | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError as error:
        raise CommandError(f"{output} is there already (another name)", USAGE) from error
    # Lines of CSV have ends of their own.
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except BaseException:
            # Half an export would pass for a whole one.
            Path(output).unlink()
            raise
