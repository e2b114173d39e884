"""Reloads of processes that serve: no request fails, and nothing is held that was not before."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.reload_load import reloading


@pytest.mark.parametrize("workers", [2])
async def test_each_answer_under_reloads_is_that_of_a_policy_in_force(
    tmp_path: Path, free_port: Callable[[], int], workers: int
) -> None:
    async with reloading(tmp_path, free_port(), workers) as sidecar:
        async with sidecar.loaded(3):
            for _ in range(4):
                await sidecar.reload()
        assert sidecar.wrong == []
        assert sidecar.asked > 40
        assert await sidecar.failed() == 0
