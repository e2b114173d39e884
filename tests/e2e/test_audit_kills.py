"""A kill -9 at any moment: what was answered is in the trail, and its chains go on."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.audit_kills import check_kill


@pytest.mark.control("AU-6")
@pytest.mark.parametrize("seed", range(10))
async def test_a_killed_sidecar_leaves_what_it_answered_in_a_chain_that_goes_on(
    tmp_path: Path, free_port: Callable[[], int], seed: int
) -> None:
    await check_kill(tmp_path, random.Random(seed), free_port())  # noqa: S311 -- no secret
