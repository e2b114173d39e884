"""Which Python runs the sidecar: a profile-guided build if there is one, and what it is.

A plain build is 20 to 25 % slower than the one of a distribution or of an official image, and the
package without its compiled hot path is slower still, so a figure without both names means little.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contenders import ROOT
from bench.processes import BenchError

VENV: Final = ROOT / ".venv-compiled"
_SYSTEM_PYTHON: Final = "/usr/bin/python3"
_INSTALL_SECONDS: Final = 600
# Debian optimises by its own make target, which leaves no trace in the configure arguments; its
# interpreter is known by an installation scheme that no other build has.
_PROBE: Final = """\
import platform, sys, sysconfig
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
if "--enable-optimizations" in arguments:
    build = "built with --enable-optimizations"
elif "deb_system" in sysconfig.get_scheme_names():
    build = "Debian's build, profile-guided"
else:
    build = ""
try:
    from sidecar.model import memo
    hot = "compiled" if memo.__file__.endswith(".so") else "interpreted"
except ImportError:
    hot = "absent"
print(sys.version_info >= (3, 11), platform.python_version(), build, hot, sep="|")
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and how it was built.

    Attributes:
        path: the executable.
        version: such as `3.11.2`.
        build: what shows that it is profile-guided, or empty.
        is_recent: whether the sidecar runs on it.
        hot_path: `compiled`, `interpreted`, or `absent` where the sidecar is not installed.
    """

    path: Path
    version: str
    build: str
    is_recent: bool
    hot_path: str

    def __str__(self) -> str:
        """Read as the table names it."""
        build = self.build or "a plain build: expect 20 to 25 % less"
        return f"CPython {self.version}, {build}; hot path {self.hot_path}"


def inspect(path: Path) -> Interpreter:
    """Ask an interpreter what it is.

    Raises:
        BenchError: if it does not run.
    """
    try:
        asked = subprocess.run(  # noqa: S603 - our own command, no shell
            [str(path), "-P", "-c", _PROBE], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{path} is no Python: {error}") from error
    is_recent, version, build, hot_path = asked.stdout.strip().split("|")
    return Interpreter(path, version, build, is_recent == "True", hot_path)


def choose(wanted: Path | None) -> Interpreter:
    """Choose the interpreter of the sidecar and of the plain aiohttp proxy.

    The one that was asked for; else an environment with the wheel as it is shipped, over the
    system's Python if that is profile-guided, else over the current one; without a C compiler the
    current one.
    """
    if wanted is not None:
        return inspect(wanted)
    current = inspect(Path(sys.executable))
    system = shutil.which(_SYSTEM_PYTHON)
    base = inspect(Path(system)) if system is not None else current
    if not (base.build and base.is_recent):
        base = current
    if shutil.which(os.environ.get("CC", "cc")) is None:
        return current
    return inspect(_environment(base))


def _environment(base: Interpreter) -> Path:
    try:
        subprocess.run(  # noqa: S603 - our own command, no shell
            [str(ROOT / "ci" / "setup.sh"), "compiled"],
            check=True,
            timeout=_INSTALL_SECONDS,
            stdout=sys.stderr,
            env={**os.environ, "PYTHON": str(base.path)},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"cannot make {VENV.name}: {error}") from error
    return VENV / "bin" / "python"
