"""One API server for all of these tests, with the webhook behind a wire that is read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver.cluster import Cluster, rendered
from tests.apiserver.server import api_server
from tests.apiserver.webhook import Pair
from tests.chart.helm import running


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Where ci/apiserver.sh put kube-apiserver and etcd."""
    folder = Path(os.environ["APISERVER"]) / "bin"
    assert (folder / "kube-apiserver").exists(), f"run ci/apiserver.sh {folder.parent}"
    return folder


@pytest.fixture(scope="session")
def cluster(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running() as helm:
        configuration = rendered(helm)
    with api_server(binaries, tmp_path_factory.mktemp("apiserver")) as server:
        made = Cluster(server, configuration)
        made.prepare()
        yield made


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)
