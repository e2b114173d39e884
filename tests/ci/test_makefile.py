"""What the Makefile gives to all that it runs."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).parents[2]
ASKED: Final = "asked: ; @printenv PYTHONDONTWRITEBYTECODE; true"


def test_python_keeps_what_it_compiled_though_the_machine_forbids_it() -> None:
    """Else each sidecar that a test starts compiles all of its source anew."""
    make = shutil.which("make")
    assert make is not None
    done = subprocess.run(  # noqa: S603 -- our own Makefile
        [make, "--no-print-directory", f"--eval={ASKED}", "asked"],
        cwd=HOUSE,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == ""
