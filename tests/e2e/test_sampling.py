"""Steps of a sample of the requests are timed, and tenants counted, where the policy says so."""

from pathlib import Path

import pytest

from sidecar.decision.pipeline import build
from tests.e2e.conftest import Running, running
from tests.e2e.guarded import GOOD, guarded
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

TIMED = "sidecar_step_duration_seconds"


def timed(proxy: Running) -> dict[str, float]:
    """Say how often each step was timed."""
    rows = proxy.sidecar.proxy.metrics.snapshot().get(TIMED, [])
    return {labels[0]: sum(numbers[:-1]) for labels, numbers in rows}


async def test_every_step_of_a_timed_request_is_told(tmp_path: Path) -> None:
    async with (
        guarded(Echo(), tmp_path, metrics={"step_sample": 1}) as proxy,
        a_client(proxy.port) as client,
    ):
        # The first look-up of the key waits for the store; what follows is timed as well.
        for _ in range(2):
            assert (await client.ask(get(b"/any", GOOD))).status == 200
        times = timed(proxy)
        route = proxy.sidecar.proxy.metrics.snapshot()["sidecar_requests_total"][0][0][0]
        generation = build(proxy.sidecar.proxy.policy)
        [plan] = [plan for plan in generation.plans if plan.name == route]
        names = [step.name for step in (*generation.edge, *plan.steps)]
        assert times == {name: 2.0 * names.count(name) for name in names}


@pytest.mark.parametrize(("one_in", "least", "most"), [(0, 0, 0), (10, 1, 40)])
async def test_one_request_in_so_many_is_timed(one_in: int, least: int, most: int) -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, metrics={"step_sample": one_in})) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(40):
            assert (await client.ask(get())).status == 200
        assert least <= timed(proxy).get("route", 0) <= most


@pytest.mark.parametrize("section", [{}, {"tenants": {"max": 5}}])
async def test_tenants_are_counted_only_if_the_policy_says_so(
    tmp_path: Path, section: dict[str, object]
) -> None:
    async with (
        guarded(Echo(), tmp_path, metrics=section) as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/any", GOOD))).status == 200
        rows = proxy.sidecar.proxy.metrics.snapshot().get("sidecar_tenant_requests_total", [])
        told = [(tuple(labels), tuple(numbers)) for labels, numbers in rows]
        assert told == ([(("acme", "admitted"), (1,))] if section else [])
