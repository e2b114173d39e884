"""Has a policy decoded by a process of its own, which ends with the answer (ADR 24)."""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import Final

import msgspec

from sidecar.adapters.handover import blank

SECONDS: Final = 60.0
"""Longest time that a policy may take to be decoded and compared."""
_REPORT_BYTES: Final = 64 << 20
PROGRAM: Final = "sidecar.cli.decoding"
"""What decodes."""


class DecodingError(Exception):
    """A policy could not be decoded for a reason that is not its own."""


class Differences(msgspec.Struct, frozen=True):
    """What a policy changes.

    Attributes:
        digest: names exactly these changes; empty where nothing was compared.
        widens: whether somebody gains, or whether that cannot be told.
        counts: changes by verdict.
        lines: the first of them, what widens first.
    """

    digest: str = ""
    widens: bool = False
    counts: dict[str, int] = {}
    lines: list[str] = []


class Report(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        problems: what is wrong with the policy, as `sidecar check` says it; none: it may be run.
        files: every file that was read, and the digest of its content.
        warnings: what its author may not have meant.
        sha256: digest of the policy.
        restart: keys that differ from the policy in force and take a restart.
        diff: what it changes.
    """

    problems: list[str]
    files: dict[str, str]
    warnings: list[str] = []
    sha256: str = ""
    restart: list[str] = []
    diff: Differences = Differences()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A policy that was decoded.

    Attributes:
        report: what was found.
        descriptor: where the policy is, if it may be run; to be closed.
    """

    report: Report
    descriptor: int = field(repr=False)


async def decode(name: str, in_force: int, seconds: float = SECONDS) -> Decoded:
    """Have a policy decoded, and compared with the one in force.

    Args:
        name: name of the policy file.
        in_force: descriptor of the policy in force.
        seconds: how long that may take.

    Raises:
        DecodingError: the process could not be started, ended without an answer, or took too long.
    """
    descriptor = blank()
    try:
        answer = await _answer(name, in_force, descriptor, seconds)
        return Decoded(msgspec.json.decode(answer, type=Report), descriptor)
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        os.close(descriptor)
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error)
        raise DecodingError(f"the policy could not be decoded: {reason}") from error
    except asyncio.CancelledError:
        os.close(descriptor)
        raise


async def _answer(name: str, in_force: int, descriptor: int, seconds: float) -> bytes:
    # -P: a module in the folder of whoever started it must not become part of it.
    words = [sys.executable, "-P", "-m", PROGRAM, name, str(in_force), str(descriptor)]
    started = await asyncio.create_subprocess_exec(
        *words,
        pass_fds=(in_force, descriptor),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=_REPORT_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await started.communicate()
    finally:
        if started.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                started.kill()
            await started.wait()
    if started.returncode:
        raise OSError(f"the process ended with status {started.returncode}")
    return answer
