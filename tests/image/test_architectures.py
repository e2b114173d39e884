"""What the Dockerfile needs is there for arm64 too, by the same digests."""

from pathlib import Path

import pytest

from tests.image.builders import HOUSE
from tests.image.locks import blocks, install


@pytest.mark.parametrize("machine", ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"])
@pytest.mark.parametrize("lock", ["image.txt", "build.txt"])
def test_every_distribution_has_a_wheel_that_the_lock_knows(
    lock: str, machine: str, tmp_path: Path
) -> None:
    names = blocks(lock)
    assert len(names) > 10
    install(lock, names, tmp_path / "site", f"--python-platform={machine}", "--dry-run")


def test_the_dockerfile_names_no_architecture() -> None:
    text = (HOUSE / "Dockerfile").read_text("utf-8")
    assert not [
        word for word in ("amd64", "x86_64", "arm64", "aarch64", "--platform") if word in text
    ]
