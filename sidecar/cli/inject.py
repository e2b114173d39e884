"""`sidecar inject`: the sidecar in manifests of Kubernetes, whose text stays as it is elsewhere."""

import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from sidecar.adapters.reading import MOST_BYTES, reading
from sidecar.cli.exit_codes import DONE, NO, USAGE, CommandError
from sidecar.cli.injecting import about_the_sidecar, settings
from sidecar.cli.printing import tell
from sidecar.knowledge.kube.manifest import Outcome, inject_all
from sidecar.knowledge.kube.tree import ManifestError
from sidecar.knowledge.kube.wishes import Settings
from sidecar.knowledge.kube.yaml_edit import edited, read, split

_STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class _Document:
    """One document of a file.

    Attributes:
        place: file and number of the document, for messages.
        text: its text.
        content: what it says.
    """

    place: str
    text: str
    content: object


@click.command(
    epilog="Example: sidecar inject --policy orders-sidecar -f orders.yaml | kubectl apply -f -"
)
@click.option(
    "-f",
    "--filename",
    "names",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True),
    help="Manifest, YAML or JSON; - for standard input. All of them are one input.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to a file instead of standard output.",
)
@click.option("--in-place", is_flag=True, help="Write each file anew.")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit status 1 if anything would change."
)
@about_the_sidecar
def command(
    *, names: tuple[str, ...], output: Path | None, in_place: bool, check: bool, **options: str
) -> int:
    """Put the sidecar into the pods of Kubernetes manifests, and lead their Services to it.

    It becomes a native sidecar of each Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job and
    CronJob; annotations of the pod say the rest. Everything else stays as it is, byte for byte.
    What is injected already is brought up to date.

    Exit status: 0 done, 1 a manifest cannot be injected, or --check found one that is not, 2 usage
    or missing file.
    """
    if in_place + check + (output is not None) > 1:
        raise click.UsageError("--in-place, --check and --output exclude each other")
    if in_place and _STDIN in names:
        raise click.UsageError("--in-place: standard input has no place")
    files = {name: _documents(name) for name in names}
    after = _injected(files, settings(options))
    if after is None:
        return NO
    if check:
        return _compared(files, after)
    if in_place:
        for name, text in after.items():
            _replace(Path(name), text)
        return DONE
    _write(output, _joined(after.values()))
    return DONE


def _documents(name: str) -> list[_Document]:
    content = _typed() if name == _STDIN else reading(name)(name)
    try:
        texts = split(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CommandError(f"{name}: is not in UTF-8: {error.reason}", NO) from error
    places = (
        [name] if len(texts) == 1 else [f"{name}: document {at + 1}" for at in range(len(texts))]
    )
    return [_read(place, text) for place, text in zip(places, texts, strict=True)]


def _typed() -> bytes:
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CommandError(f"-: it has more than {MOST_BYTES >> 20} MiB", USAGE)
    return content


def _read(place: str, text: str) -> _Document:
    try:
        return _Document(place, text, read(text))
    except ManifestError as error:
        raise CommandError(f"{place}: {error}", NO) from error


def _injected(files: dict[str, list[_Document]], wanted: Settings) -> dict[str, str] | None:
    """Edit the documents of all files; None, after all problems are told, where that cannot be."""
    documents = [document for name in files for document in files[name]]
    outcomes = inject_all([document.content for document in documents], wanted)
    done = dict(zip(map(id, documents), outcomes, strict=True))
    told = [_told(document, done[id(document)]) for document in documents]
    if not all(told):
        return None
    return {
        name: "".join(_edited(document, done[id(document)]) for document in files[name])
        for name in files
    }


def _told(document: _Document, outcome: Outcome) -> bool:
    for note in outcome.notes:
        tell(f"{document.place}: {note.of}: {note.text}")
    for problem in outcome.problems:
        tell(f"{document.place}: error: {problem.of}: {problem.text}")
    return not outcome.problems


def _edited(document: _Document, outcome: Outcome) -> str:
    try:
        return edited(document.text, outcome.operations)
    except ManifestError as error:
        raise CommandError(f"{document.place}: {error}", NO) from error


def _compared(files: dict[str, list[_Document]], after: dict[str, str]) -> int:
    changed = [name for name in files if "".join(one.text for one in files[name]) != after[name]]
    for name in changed:
        click.echo(f"{name}: is not injected, or not by this version with these settings")
    return NO if changed else DONE


def _joined(texts: Iterable[str]) -> str:
    """Put files behind each other, each as documents of its own."""
    joined = ""
    for text in texts:
        if joined:
            joined += "" if joined.endswith("\n") else "\n"
            joined += "" if text.startswith("---") else "---\n"
        joined += text
    return joined


def _write(output: Path | None, text: str) -> None:
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        _replace(output, text)


def _replace(file: Path, text: str) -> None:
    """Write a file in one step, so that nobody finds half of it; a link stays one."""
    real = file.resolve()
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with os.fdopen(handle, "wb") as draft:
            draft.write(text.encode())
        Path(name).chmod(mode)
        Path(name).replace(real)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
