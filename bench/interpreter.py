"""Which Python runs the sidecar: a profile-guided build if there is one, and what it is.

A plain build is 20 to 25 % slower than the one of a distribution or of an official image, so a
figure without the name of its interpreter means little.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contenders import ROOT
from bench.processes import BenchError

VENV: Final = ROOT / ".venv-bench"
_SYSTEM_PYTHON: Final = "/usr/bin/python3"
_LOCK: Final = ROOT / "requirements" / "runtime.txt"
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
print(sys.version_info >= (3, 11), platform.python_version(), build, sep="|")
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and how it was built.

    Attributes:
        path: the executable.
        version: such as `3.11.2`.
        build: what shows that it is profile-guided, or empty.
        is_recent: whether the sidecar runs on it.
    """

    path: Path
    version: str
    build: str
    is_recent: bool

    def __str__(self) -> str:
        """Read as the table names it."""
        return f"CPython {self.version}, {self.build or 'a plain build: expect 20 to 25 % less'}"


def inspect(path: Path) -> Interpreter:
    """Ask an interpreter what it is.

    Raises:
        BenchError: if it does not run.
    """
    try:
        asked = subprocess.run(  # noqa: S603 - our own command, no shell
            [str(path), "-c", _PROBE], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{path} is no Python: {error}") from error
    is_recent, version, build = asked.stdout.strip().split("|")
    return Interpreter(path, version, build, is_recent == "True")


def choose(wanted: Path | None) -> Interpreter:
    """Choose the interpreter of the sidecar and of the plain aiohttp proxy.

    In this order: the one that was asked for; the current one if it is profile-guided; an
    environment over the system's Python, if that is, made on first use from the hashed lock of the
    package; the current one.
    """
    if wanted is not None:
        return inspect(wanted)
    current = inspect(Path(sys.executable))
    system = shutil.which(_SYSTEM_PYTHON)
    if current.build or system is None:
        return current
    candidate = inspect(Path(system))
    if not (candidate.build and candidate.is_recent):
        return current
    return inspect(_environment(candidate))


def _environment(system: Interpreter) -> Path:
    python = VENV / "bin" / "python"
    stamp = VENV / "lock.txt"
    if stamp.exists() and stamp.read_text() == _LOCK.read_text():
        return python
    for command in (
        [str(system.path), "-m", "venv", "--clear", str(VENV)],
        [str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(_LOCK)],
    ):
        try:
            subprocess.run(  # noqa: S603 - our own commands, no shell
                command, check=True, timeout=_INSTALL_SECONDS, stdout=sys.stderr
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(f"cannot make {VENV.name} (needs python3-venv): {error}") from error
    shutil.copyfile(_LOCK, stamp)
    return python
