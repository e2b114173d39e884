"""`sidecar audit verify`: whether an audit trail is whole, and if not, where."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from sidecar.adapters.audit.files import LINE_BYTES, UnreadableFileError, opened, with_rotated
from sidecar.adapters.audit.heads import written_heads
from sidecar.adapters.reading import reading
from sidecar.cli.exit_codes import DONE, FAILED, NO, USAGE, CommandError
from sidecar.knowledge.audit.findings import Chain, Finding, Place, Report
from sidecar.knowledge.audit.signing import SignatureChecker
from sidecar.knowledge.audit.trail import Trail


@click.command(
    epilog="Example: sidecar audit verify /var/log/sidecar/audit.jsonl --public-key audit.pub"
)
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True),
)
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, readable=True),
    help="Check signatures too, by this Ed25519 public key in PEM.",
)
@click.option(
    "--allow",
    multiple=True,
    type=click.Choice(["beginning", "repeats"]),
    help="What is no problem: that the beginning of a chain is gone with older files; that a record"
    " comes twice, as from sinks over a network.",
)
@click.option("--only", is_flag=True, help="Read no rotated files beside those that are named.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    files: tuple[str, ...],
    *,
    public_key: str | None,
    allow: tuple[str, ...],
    only: bool,
    is_json: bool,
) -> int:
    """Say whether an audit trail is whole: nothing changed, removed, moved or inserted.

    Rotated files beside FILE (audit.jsonl.1, audit.jsonl.2.gz) are read too. Without a public key
    this finds what was changed by accident or by somebody who did not chain the rest anew; with
    one, whatever was changed before the last checkpoint. What was cut off after it cannot be known
    from the files.

    Exit status: 0 it is whole, 1 it is not, 2 a file is missing or no key, 3 it cannot be read.
    """
    is_signed = None if public_key is None else _checker(public_key)
    trail = Trail(is_signed, allows_repeats="repeats" in allow, is_partial="beginning" in allow)
    # Before the files: who writes meanwhile writes the file first, and then this.
    expected = _expected(files)
    named = list(files) if only else _with_rotated(files)
    for name in named:
        trail.next_file()
        for place, line, is_ended in _lines(name):
            trail.take(line, place, is_ended=is_ended)
    report = trail.report(expected)
    if is_json:
        click.echo(json.dumps(_document(report, named), indent=2))
    else:
        _print(report, named, is_signed=is_signed is not None)
    return NO if report.problems else DONE


def _checker(name: str) -> SignatureChecker:
    try:
        return SignatureChecker(reading(name)(name))
    except ValueError as error:
        hint = "openssl pkey -in audit.pem -pubout -out audit.pub"
        raise CommandError(f"{name} is no Ed25519 public key in PEM ({hint})", USAGE) from error


def _expected(files: tuple[str, ...]) -> Mapping[str, int]:
    return {writer: seq for name in files for writer, seq in written_heads(name).items()}


def _with_rotated(files: tuple[str, ...]) -> list[str]:
    """Add what the files became by rotation, and name each once."""
    named: dict[Path, str] = {}
    for one in (path for name in files for path in with_rotated(name)):
        named.setdefault(one.resolve(), str(one))
    return list(named.values())


def _lines(name: str) -> Iterator[tuple[Place, bytes, bool]]:
    """Read the lines of a file; what is too long for one comes in parts that are none."""
    try:
        with opened(Path(name)) as file:
            for number, line in enumerate(iter(partial(file.readline, LINE_BYTES), b""), 1):
                yield Place(name, number), line.removesuffix(b"\n"), line.endswith(b"\n")
    except UnreadableFileError as error:
        raise CommandError(str(error), FAILED) from error


def _document(report: Report, files: list[str]) -> dict[str, object]:
    return {
        "whole": not report.problems,
        "files": files,
        "records": report.records,
        "removed": report.removed,
        "chains": {writer: asdict(chain) for writer, chain in report.chains.items()},
        "problems": [_finding(one) for one in report.problems],
        "notes": [_finding(one) for one in report.notes],
    }


def _finding(finding: Finding) -> dict[str, object]:
    place = finding.place
    return {
        "kind": finding.kind,
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "writer": finding.writer,
        "seq": finding.seq,
        "text": finding.text,
    }


def _print(report: Report, files: list[str], *, is_signed: bool) -> None:
    for finding in report.problems:
        click.echo(f"{_said(finding)}", err=True)
    for finding in report.notes:
        click.echo(f"note: {_said(finding)}")
    for writer, chain in report.chains.items():
        click.echo(f"{writer}: {_summary(chain, is_signed=is_signed)}")
    removed = f", {report.removed} removed by statement" if report.removed else ""
    counted = f"{report.records} records in {len(files)} files{removed}"
    verdict = f"not whole: {len(report.problems)} problems" if report.problems else "whole"
    click.echo(f"{counted}: {verdict}")


def _said(finding: Finding) -> str:
    place = "" if finding.place is None else f"{finding.place.file}:{finding.place.line}: "
    record = "" if finding.writer is None else f"record {finding.seq} of {finding.writer} "
    return f"{place}{record}{finding.text}"


def _summary(chain: Chain, *, is_signed: bool) -> str:
    signed = f", signed up to {chain.signed}" if is_signed else ""
    return f"records {chain.first} to {chain.last}{signed}, ends with {chain.hash}"
