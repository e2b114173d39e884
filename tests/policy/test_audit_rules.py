"""Rules about the audit that need a secret which does not stand in the policy."""

import pytest

from sidecar.model.errors import PolicyError
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


def test_a_policy_that_sends_no_alerts_breaks_no_rule() -> None:
    policy = POLICY.partition("audit:")[0].replace("{{", "{").replace("}}", "}")
    assert list(loaded(policy + "audit: {alerts: {}}\n", {}).warnings) == []
