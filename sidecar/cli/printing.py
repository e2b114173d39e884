"""What the commands of operators print: answers on standard output, words beside it."""

import json
import sys
from collections.abc import Mapping, Sequence

import click

from sidecar.model.errors import Problem


def print_json(document: object) -> None:
    """Print a document for programs."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_listed(
    name: str, listed: Sequence[Mapping[str, object]], members: Sequence[str], *, as_json: bool
) -> None:
    """Print a list: for programs all of it, under its name; for people a table.

    Args:
        name: what is listed.
        listed: documents.
        members: of each, those that people see, a column each.
        as_json: whether a program reads it.
    """
    if as_json:
        print_json({name: listed})
        return
    rows = [[plain(one.get(member)) for member in members] for one in listed]
    click.echo(columns([[member.upper() for member in members], *rows]))


def problem_document(problem: Problem) -> dict[str, object]:
    """Write a mistake in a policy, for programs."""
    return {
        "severity": "warning" if problem.warning else "error",
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }


def tell(text: str) -> None:
    """Say something to the person at the terminal, beside the answer."""
    print(plain(text), file=sys.stderr)


def plain(value: object) -> str:
    """Write a value for a terminal, which obeys no part of it."""
    if isinstance(value, list | tuple):
        return ",".join(plain(item) for item in value) or "-"
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def columns(rows: list[list[str]]) -> str:
    """Align rows of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)
