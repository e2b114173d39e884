"""What `purge` and `erase-tenant` share: the policy whose files they act on, and what they say."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, ParamSpec, TypeVar

import click

from sidecar.adapters.audit.exchanges import Timestamps
from sidecar.adapters.audit.scribe import COMMAND
from sidecar.adapters.audit.writer import AuditLedger
from sidecar.adapters.ids import UuidV7
from sidecar.adapters.reading import reading
from sidecar.cli.exit_codes import FAILED, NO, CommandError
from sidecar.cli.printing import plain
from sidecar.knowledge.audit.certificate import counted
from sidecar.lifecycle.audit_removal import Removed
from sidecar.lifecycle.errors import ConflictError
from sidecar.model.errors import StoreUnavailableError
from sidecar.policy.load import load
from sidecar.policy.schema.audit import Audit

P = ParamSpec("P")
T = TypeVar("T")

_STDERR: Final = 2
_REASON_CHARACTERS: Final = 200


def removing(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command the options of all that remove records."""
    policy = click.option(
        "--policy",
        envvar="SIDECAR_POLICY",
        metavar="FILE",
        required=True,
        help="The policy whose audit files are meant. [env: SIDECAR_POLICY]",
    )
    dry = click.option(
        "--dry-run", "is_dry", is_flag=True, help="Say what would go, and change nothing."
    )
    allow = click.option(
        "--allow",
        multiple=True,
        type=click.Choice(["missing", "unsigned"]),
        help="Go on although records are missing, or a chain was never signed.",
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return policy(dry(allow(as_json(command))))


def reason_of(text: str) -> str:
    """Check the reason of a removal, which stands in the trail."""
    if not 1 <= len(text) <= _REASON_CHARACTERS or not text.isprintable():
        raise click.UsageError("--reason is one line of at most 200 characters, such as a ticket")
    return text


def removed_by(
    policy: str, work: Callable[[Audit, AuditLedger | None], Awaitable[T]], *, is_dry: bool
) -> T:
    """Act on the files of a policy; what was done is in the audit when this returns.

    Raises:
        CommandError: it was not done.
    """
    try:
        return asyncio.run(_act(policy, work, is_dry=is_dry))
    except ConflictError as error:
        raise CommandError(f"{error.message} ({error.hint})", NO) from error
    except StoreUnavailableError as error:
        raise CommandError(error.reason, FAILED) from error


async def _act(
    name: str, work: Callable[[Audit, AuditLedger | None], Awaitable[T]], *, is_dry: bool
) -> T:
    policy = load(name, reading(name), os.environ).policy
    section = policy.audit.on(policy.state)
    if is_dry:
        return await work(section, None)
    async with _ledger(section) as ledger:
        return await work(section, ledger)


@asynccontextmanager
async def _ledger(section: Audit) -> AsyncIterator[AuditLedger]:
    ids = UuidV7(time.time, os.urandom)
    ledger = AuditLedger(section, time.time, ids, role=COMMAND, standard=_STDERR)
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()
    if any(sink.dropped for sink in ledger.sinks):
        raise CommandError("that records were removed could not be recorded everywhere", FAILED)


def timestamp(moment: float) -> str:
    """Write Unix seconds as records have them."""
    return Timestamps().text(moment)


def document_of(removed: Removed) -> dict[str, object]:
    """Say what became of one trail, for programs."""
    return {
        "file": removed.file,
        "files": removed.files,
        "removed": dict(removed.removed),
        "kept": dict(removed.kept),
        "fragments": removed.fragments,
        "left": [
            {"file": file, "records": count, "reason": reason}
            for file, (count, reason) in removed.left.items()
        ],
        "signed": removed.is_signed,
    }


def told_of(removed: Removed, *, is_dry: bool) -> list[str]:
    """Say what became of one trail, for people."""
    done = "would be removed" if is_dry else f"removed from {removed.files} files"
    lines = [f"{removed.file}: {counted(removed.removed)} {done}"]
    if removed.fragments:
        lines.append(f"{removed.file}: {removed.fragments} beginnings of cut off records, likewise")
    if removed.kept:
        lines.append(f"{removed.file}: {counted(removed.kept)} stay for their legal window")
    for file, (count, reason) in removed.left.items():
        lines.append(f"{file}: {count} are left: {reason}")
    return [plain(line) for line in lines]
