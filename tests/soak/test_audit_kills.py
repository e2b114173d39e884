"""Two hundred kills, ten on each trail."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.audit_kills import check_kill


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("seed", range(20))
async def test_a_sidecar_that_is_killed_again_and_again_keeps_its_chains(
    tmp_path: Path, free_port: Callable[[], int], seed: int
) -> None:
    await check_kill(tmp_path, random.Random(1000 + seed), free_port(), kills=10)  # noqa: S311 -- no secret
