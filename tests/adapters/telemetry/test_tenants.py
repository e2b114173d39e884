"""Metrics by tenant: bounded, and told apart from tenants that nobody asked about."""

from pathlib import Path

import pytest

from sidecar.adapters.telemetry.steps import StepTimes
from sidecar.adapters.telemetry.tenants import OTHERS, TenantLedger
from sidecar.model.errors import PolicyError
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord
from sidecar.model.limits import Count, Limit, Outcome, Taken
from sidecar.model.refusals import RefusalCode
from tests.adapters.exchanges import admitted, an_exchange, an_unreadable_exchange, refused
from tests.e2e.conftest import load_policy
from tests.e2e.wire import a_policy

ADMITTED = admitted()


def of(tenant: str, *taken: Taken) -> Exchange:
    exchange = an_exchange()
    exchange.tenant = TenantRecord(TenantId(tenant))
    exchange.taken = taken
    return exchange


def counted(ledger: TenantLedger) -> dict[tuple[str, ...], float]:
    return {
        (name.removeprefix("sidecar_tenant_"), *labels): numbers[0]
        for name, labels, numbers in ledger.rows()
    }


def test_exchanges_are_counted_by_tenant_and_ending() -> None:
    ledger = TenantLedger(9)
    for tenant in ("acme", "acme", "globex"):
        ledger.note(of(tenant), ADMITTED)
    ledger.note(of("acme"), refused())
    assert counted(ledger) == {
        ("requests_total", "acme", "admitted"): 2,
        ("requests_total", "globex", "admitted"): 1,
        ("requests_total", "acme", "refused"): 1,
    }


def test_whoever_has_no_tenant_is_counted_for_none() -> None:
    ledger = TenantLedger(9)
    public = an_exchange()
    public.tenant = None
    for exchange in (public, an_exchange(), an_unreadable_exchange()):
        ledger.note(exchange, ADMITTED)
    assert counted(ledger) == {}


def test_tenants_beyond_the_bound_are_counted_together() -> None:
    ledger = TenantLedger(2)
    for number in range(100):
        ledger.note(of(f"tenant-{number % 50}"), ADMITTED)
    assert counted(ledger) == {
        ("requests_total", "tenant-0", "admitted"): 2,
        ("requests_total", "tenant-1", "admitted"): 2,
        ("requests_total", OTHERS, "admitted"): 96,
    }


def test_no_tenant_can_be_called_like_all_the_others(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(a_policy("http://127.0.0.1:1", tenants={OTHERS: {}}), tmp_path)
    assert OTHERS in str(caught.value.problems)


def test_charges_are_counted_by_tenant_and_what_became_of_them() -> None:
    limit = Limit("id", "tier", 1, 1)
    ledger = TenantLedger(9)
    count = Count(is_admitted=True, left=0, wait=0)
    taken, over = Taken(limit, count, Outcome.ADMITTED), Taken(limit, count, Outcome.REFUSED)
    ledger.note(of("acme", taken), ADMITTED)
    ledger.note(of("acme", over), refused(RefusalCode.RATE_LIMITED))
    ledger.note(of("acme", over), ADMITTED)
    found = {key[1:]: n for key, n in counted(ledger).items() if key[0].startswith("rate_limit")}
    assert found == {
        ("acme", "admitted"): 1,
        ("acme", "refused"): 1,
        ("acme", "shadowed"): 1,
    }


def test_what_steps_took_falls_into_buckets_of_microseconds() -> None:
    times = StepTimes()
    for seconds in (0.0000005, 0.000002, 7.0):
        times.note("route", seconds)
    times.note("tenant", 0.0001)
    rows = {labels[0]: numbers for _, labels, numbers in times.rows()}
    assert list(rows["route"][:3]) == [1, 1, 0]
    assert rows["route"][-2] == 1
    assert rows["route"][-1] == pytest.approx(7.0000025)
    assert sum(rows["tenant"][:-1]) == 1
