"""Run the rules of `.semgrep.yaml`: `python -m ci.semgrep [PATH…]`, the whole code without any.

Semgrep asks its makers for nothing and tells them nothing: no metrics, no look for a newer version.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).parents[1]
_FOLDERS: Final = ("sidecar", "ci", "docs", "examples", "bench")
_SECONDS: Final = 300


def main() -> int:
    """Judge the paths that the command line names; 0 when nothing was found."""
    bin_folder = HOUSE / ".venv-semgrep" / "bin"
    if not (bin_folder / "semgrep").exists():
        sys.stderr.write("semgrep: .venv-semgrep is not there: make semgrep builds it\n")
        return 3
    options = ["--metrics=off", "--disable-version-check", "--error", "--quiet"]
    rules = f"--config={HOUSE / '.semgrep.yaml'}"
    command: list[str | Path] = [bin_folder / "semgrep", "scan", *options, rules]
    with tempfile.TemporaryDirectory() as home:
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(  # noqa: S603 - a locked program, no shell
            [*command, *(sys.argv[1:] or _FOLDERS)],
            cwd=HOUSE,
            env={**os.environ, "PATH": path, "HOME": home},
            timeout=_SECONDS,
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
