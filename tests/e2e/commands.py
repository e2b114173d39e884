"""A command of an operator, run beside the processes that serve: in the one of the tests.

To start a process for each would take most of a test's time; that the command starts as one is what
the pages show that `tests/docs` follows.
"""

import asyncio
import io
from contextlib import redirect_stderr, redirect_stdout

from sidecar.cli.main import invoke


async def printed(*words: str) -> str:
    """Run `sidecar …`, which must do what it is told; returns its standard output."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = await asyncio.to_thread(invoke, words)
    assert code == 0, err.getvalue()
    return out.getvalue()
