"""Rules about the audit that need a secret which does not stand in the policy."""

import pytest

from sidecar.model.errors import PolicyError
from sidecar.model.events import RecordClass
from tests.policy.reading import loaded

SECRET = {"secret": b"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
POLICY = """\
version: 1
upstream: http://127.0.0.1:3000
routes: [{{path: /, public: true}}]
audit: {{alerts: {{webhook: {{url: "{url}", secret: "file:secret"}}}}}}
"""


def test_alerts_go_to_nobody_else_in_the_clear() -> None:
    with pytest.raises(PolicyError, match=r"audit\.alerts\.webhook\.url.*in the clear"):
        loaded(POLICY.format(url="http://alerts.example/take"), SECRET)


@pytest.mark.parametrize("url", ["https://alerts.example/take", "http://127.0.0.1:9000/take"])
def test_alerts_go_where_nobody_reads_along(url: str) -> None:
    assert list(loaded(POLICY.format(url=url), SECRET).warnings) == []


RETAINING = """\
version: 1
upstream: http://127.0.0.1:3000
routes: [{path: /, public: true}]
audit: {sinks: [{file: audit.jsonl}], retention: %s}
"""


@pytest.mark.control("AU-4")
@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("400d", (400, 400, 400, 400)),
        ("{}", (90, 90, 90, 90)),
        ("{admin: 400d}", (90, 90, 400, 400)),
        ("{default: 100d, requests: 2400h, security: 3650d}", (100, 3650, 100, 3650)),
    ],
)
def test_records_are_kept_as_long_as_their_class_and_the_trail_as_long_as_any(
    written: str, days: tuple[int, ...]
) -> None:
    read = loaded(RETAINING % written, {})
    assert list(read.warnings) == []
    kept = read.policy.audit.retention
    assert kept is not None
    classes = (
        RecordClass.REQUESTS, RecordClass.SECURITY, RecordClass.ADMIN, RecordClass.TRAIL,
    )  # fmt: skip
    assert tuple(kept.of(one) / 86400 for one in classes) == days


@pytest.mark.control("AU-4")
@pytest.mark.parametrize(
    ("written", "path", "told"),
    [
        ("30d", "audit.retention", "keeps records for 30d, less than the usual 90d"),
        ("{admin: 89d}", "audit.retention.admin", "keeps records for 89d"),
    ],
)
def test_less_than_ninety_days_is_a_trap(written: str, path: str, told: str) -> None:
    (warning,) = loaded(RETAINING % written, {}).warnings
    assert (warning.path, told in warning.message) == (path, True)


@pytest.mark.control("AU-4")
def test_a_retention_without_a_file_holds_for_nothing() -> None:
    policy = (RETAINING % "90d").replace("{file: audit.jsonl}", "stdout")
    (warning,) = loaded(policy, {}).warnings
    assert (warning.path, "no sink is one" in warning.message) == ("audit.retention", True)


def test_a_policy_that_sends_no_alerts_breaks_no_rule() -> None:
    policy = POLICY.partition("audit:")[0].replace("{{", "{").replace("}}", "}")
    assert list(loaded(policy + "audit: {alerts: {}}\n", {}).warnings) == []
