"""The image, built once for all of its tests."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.image.builders import BASE, IMAGE, Containers

# A folder that outlives the tests: for whoever changes them, and does not wait for the compiler.
KEPT: Final = os.environ.get("IMAGE_FOLDER", "")


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """Where the image is, and was built unless it was kept."""
    assert os.geteuid() == 0, "test-image needs root: it mounts, and steps into containers"
    # Gigabytes are not for a /tmp in memory.
    folder = Path(KEPT or tempfile.mkdtemp(prefix="sidecar-image-", dir="/var/tmp"))
    folder.mkdir(exist_ok=True)
    found = Containers(folder)
    found.configure()
    try:
        if not found.has(BASE):
            found.make_base()
        if not found.has(IMAGE):
            found.build()
        yield found
    finally:
        found.remove()
        if not KEPT:
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def root(containers: Containers) -> Path:
    """The files of the image, as the system mounts them."""
    return Path(containers.podman("image", "mount", IMAGE).strip())
