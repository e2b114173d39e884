"""Limits: as strict as before, or not."""

import pytest

from tests.decision.diff.comparing import ROUTES, diff_of


@pytest.mark.parametrize(
    ("verdict", "old", "new"),
    [
        ("", "{limit: 60/min, by: subject}", "{limit: 60/60s, by: [subject]}"),
        ("widens", "{limit: 60/min, by: subject}", "{limit: 61/min, by: subject}"),
        ("narrows", "{limit: 60/min, by: subject}", "{limit: 60/h, by: subject}"),
        ("changes", "{limit: 60/min, by: subject}", "{limit: 100/h, by: subject}"),
        ("changes", "{limit: 60/min, by: subject}", "{limit: 60/min, by: address}"),
        ("changes", "{limit: 60/min, by: subject}", "{limit: 60/min, burst: 60, by: subject}"),
        ("changes", "{limit: 60/min, by: subject}", "{quota: 60/day, by: subject}"),
        ("", "{limit: 60/min, by: [subject, tenant]}", "{limit: 60/min, by: [tenant, subject]}"),
        (
            "narrows",
            "{limit: 60/min, burst: 60, by: subject}",
            "{limit: 59/min, burst: 60, by: subject}",
        ),
        (
            "widens",
            "{limit: 60/min, burst: 60, by: subject}",
            "{limit: 60/min, burst: 99, by: subject}",
        ),
        ("widens", "{quota: 60/day, by: subject}", "{quota: 70/day, by: subject}"),
        ("changes", "{quota: 60/day, by: subject}", "{quota: 60/month, by: subject}"),
        ("narrows", "{concurrency: 9, by: subject}", "{concurrency: 8, by: subject}"),
        ("widens", "{concurrency: 9, by: subject}", "{concurrency: 9, by: subject, mode: shadow}"),
        (
            "widens",
            "{limit: 9/s, by: subject}",
            "{limit: 9/s, by: subject, on_store_failure: allow}",
        ),
        ("narrows", "{limit: 9/s, by: subject}", "{limit: 9/s, by: subject, charge_refused: true}"),
        # A tenant's own rate may be below that of its tier.
        ("changes", "{limit: 9/s, by: tenant}", "{limit: 9/s, by: tenant, custom_max: 99/s}"),
        ("changes", "{limit: 9/s, by: tenant, custom_max: 99/s}", "{limit: 9/s, by: tenant}"),
        (
            "narrows",
            "{limit: 9/s, by: tenant, custom_max: 99/s}",
            "{limit: 8/s, by: tenant, custom_max: 99/s}",
        ),
        (
            "changes",
            "{limit: 9/s, by: tenant, custom_max: 99/s}",
            "{limit: 9/s, by: tenant, custom_max: 9/s}",
        ),
        (
            "narrows",
            "{limit: 9/s, by: subject}",
            "[{limit: 9/s, by: subject}, {limit: 9/day, by: tenant}]",
        ),
        (
            "",
            "[{limit: 9/s, by: subject}, {limit: 10/s, by: subject}]",
            "{limit: 9/s, by: subject}",
        ),
    ],
)
def test_a_limit_becomes_another(verdict: str, old: str, new: str) -> None:
    before, after = (f"tiers: {{pro: {one}}}\n{ROUTES}" for one in (old, new))
    assert " ".join(change.verdict for change in diff_of(before, after).changes) == verdict


def test_a_limit_is_shown_as_it_is_written() -> None:
    [change] = diff_of(
        f"tiers: {{pro: {{limit: 60/min, burst: 90, by: subject}}}}\n{ROUTES}",
        f"tiers: {{pro: {{concurrency: 3, by: [subject, tenant]}}}}\n{ROUTES}",
    ).changes
    assert change.what == "60/1m burst 90 by subject → 3 at a time by subject+tenant"
