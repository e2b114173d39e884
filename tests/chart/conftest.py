"""One Helm for all tests of the chart."""

from collections.abc import Iterator

import pytest

from tests.chart.helm import Helm, running


@pytest.fixture(scope="session")
def helm() -> Iterator[Helm]:
    with running() as started:
        yield started
