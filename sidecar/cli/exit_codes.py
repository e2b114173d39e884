"""Exit codes of every command; public, hence stable."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command tells the shell."""

    DONE = 0
    NO = 1
    """The answer is no: a policy with problems, a test that failed."""
    USAGE = 2
    """Wrong usage, or a file that is not there."""
    FAILED = 3
    """It could not be done: a port, the network, a store."""
    INTERRUPTED = 130
    """The user pressed Ctrl-C: 128 and the signal's number, as shells have it."""


DONE = ExitCode.DONE
NO = ExitCode.NO
USAGE = ExitCode.USAGE
FAILED = ExitCode.FAILED
INTERRUPTED = ExitCode.INTERRUPTED


class CommandError(Exception):
    """What a command cannot do, in one line for the person who asked.

    Attributes:
        code: exit code.
    """

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code
