"""The image, built once for all of its tests."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.image.builders import BASE, IMAGE, Containers
from tests.image.machine import a_folder, held, lacking, sweep

# A folder that outlives the tests: for whoever changes them, and does not wait for the compiler.
KEPT: Final = os.environ.get("IMAGE_FOLDER", "")


@contextmanager
def kept(folder: Path) -> Iterator[Path]:
    """Have the folder that was named; what runs there ends, what was built stays."""
    folder.mkdir(mode=0o711, exist_ok=True)
    with held(folder):
        try:
            yield folder
        finally:
            Containers(folder).remove()


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """Where the image is, and was built unless it was kept."""
    for left in sweep():
        sys.stderr.write(f"test-image: an earlier run left what cannot be removed: {left}\n")
    with kept(Path(KEPT)) if KEPT else a_folder() as folder:
        found = Containers(folder)
        found.configure()
        missing = lacking(found)
        if missing:
            pytest.exit(f"test-image: the tests of the image need {missing}", returncode=3)
        if not found.has(BASE):
            found.make_base()
        if not found.has(IMAGE):
            found.build()
        yield found


@pytest.fixture(scope="session")
def root(containers: Containers) -> Path:
    """The files of the image, as the system mounts them."""
    return Path(containers.podman("image", "mount", IMAGE).strip())
