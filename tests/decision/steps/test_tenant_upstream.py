"""A tenant's request goes to the tenant's own upstream, and to no other's (TN-6)."""

from typing import Final

import pytest

from sidecar.decision.steps.tenant_upstream import TENANTS, TenantUpstream, target_of_tenant
from sidecar.decision.steps.upstream import Upstream, target_of
from sidecar.model.exchange import Exchange
from sidecar.model.identity import TenantId, TenantRecord
from sidecar.model.outcome import PASS, Ask, Outcome, Refuse
from sidecar.model.ports import UNKNOWN, Unsure
from sidecar.model.questions import FindCredential, FindTenant
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import UpstreamTarget, UpstreamTls
from sidecar.model.secret import Secret
from sidecar.policy.schema.upstream import Upstream as Section
from tests.builders import a_head, a_target, a_tenant, an_exchange

SHARED: Final = a_target()
VALUE: Final = Secret(b"Bearer hunter2")
MISSING: Final = "the tenant's upstream credential is missing"


class Known(dict[tuple[str, str], Secret | None]):
    """Secrets that are at hand."""

    def at_hand(self, tenant: TenantId, name: str) -> Secret | Unsure | None:
        return self.get((tenant, name), UNKNOWN)


def a_section(**keys: object) -> Section:
    return Section.model_validate({"url": "http://127.0.0.1:3000", **keys})


def a_step(
    known: Known | None = None, section: Section | None = None, prefix: str | None = None
) -> TenantUpstream:
    shared = Upstream(SHARED, prefix)
    secrets = Known() if known is None else known
    return TenantUpstream(shared, a_section() if section is None else section, secrets)


def an_exchange_of(tenant: TenantRecord | None) -> Exchange:
    exchange = an_exchange(a_head(b"GET", b"/api/orders?a=b"))
    exchange.tenant = tenant
    return exchange


def target_for(step: TenantUpstream, tenant: TenantRecord | None) -> UpstreamTarget:
    exchange = an_exchange_of(tenant)
    assert step.decide(exchange) is PASS
    return exchange.target


@pytest.mark.parametrize("tenant", [None, a_tenant()], ids=["no tenant", "no upstream of its own"])
def test_without_an_upstream_of_its_own_the_policy_s_gets_the_request(
    tenant: TenantRecord | None,
) -> None:
    exchange = an_exchange_of(tenant)
    assert a_step().decide(exchange) is PASS
    assert exchange.target is SHARED
    assert exchange.upstream_path == b"/api/orders?a=b"
    assert exchange.upstream_authorization is None


@pytest.mark.control("TN-6")
def test_a_tenant_with_an_upstream_of_its_own_gets_it() -> None:
    exchange = an_exchange_of(a_tenant(upstream="http://acme:3001"))
    assert a_step().decide(exchange) is PASS
    assert str(exchange.target) == "http://acme:3001"
    assert exchange.target.owner == "acme"
    assert exchange.upstream_path == b"/api/orders?a=b"
    assert exchange.upstream_authorization is None


def test_the_prefix_is_taken_off_for_a_tenant_s_upstream_too() -> None:
    exchange = an_exchange_of(a_tenant(upstream="http://acme:3001"))
    assert a_step(prefix="/api").decide(exchange) is PASS
    assert exchange.upstream_path == b"/orders?a=b"


@pytest.mark.control("TN-6")
def test_tenants_share_no_connections_even_with_the_same_address() -> None:
    step = a_step()
    acme = target_for(step, a_tenant("acme", upstream="http://same:3000"))
    globex = target_for(step, a_tenant("globex", upstream="http://same:3000"))
    shared = target_of(a_section(url="http://same:3000"))
    assert len({acme.key, globex.key, shared.key}) == 3


def test_a_tenant_s_target_is_made_once() -> None:
    step = a_step()
    first = target_for(step, a_tenant(upstream="http://acme:3001"))
    assert target_for(step, a_tenant(upstream="http://acme:3001")) is first


@pytest.mark.control("TN-6")
def test_a_moved_upstream_is_followed_at_once() -> None:
    step = a_step()
    target_for(step, a_tenant(upstream="http://acme:3001"))
    moved = target_for(step, a_tenant(upstream="http://acme:3002", version=2))
    assert str(moved) == "http://acme:3002"


def test_the_memory_of_targets_is_bounded() -> None:
    step = a_step()
    first = target_for(step, a_tenant("t0", upstream="http://acme"))
    for index in range(1, TENANTS + 1):
        target_for(step, a_tenant(f"t{index}", upstream="http://acme"))
    again = target_for(step, a_tenant("t0", upstream="http://acme"))
    assert again is not first
    assert again.key == first.key


def test_the_settings_of_the_policy_s_upstream_hold_for_those_of_tenants() -> None:
    section = Section.model_validate(
        {
            "url": "https://shared.internal",
            "timeouts": {"connect": "1s"},
            "keepalive": {"connections": 7, "idle": "3s"},
            "tls": {"server_name": "shared"},
        }
    )
    target = target_of_tenant(section, TenantId("acme"), "https://acme.internal")
    assert (target.connect_timeout, target.idle_connections, target.idle_seconds) == (1.0, 7, 3.0)
    # A certificate of the shared upstream must not do for the tenant's.
    assert target.tls == UpstreamTls("acme.internal", None, None, None)
    assert target_of_tenant(section, TenantId("acme"), "http://acme.internal").tls is None
    assert target_of(section).tls == UpstreamTls("shared", None, None, None)


@pytest.mark.parametrize("url", ["acme", "http://acme/path", "http://u:p@acme", ""])
def test_an_upstream_that_is_no_url_gets_nothing(url: str) -> None:
    step = a_step()
    for _ in range(2):
        outcome = step.decide(an_exchange_of(a_tenant(upstream=url)))
        expected = Refuse(RefusalCode.UPSTREAM_UNAVAILABLE, "the tenant's upstream is no URL")
        assert outcome == expected


OWN: Final = a_tenant(upstream="http://acme:3001", upstream_credential="token")


@pytest.mark.control("TN-6")
def test_the_credential_at_hand_goes_with_the_request() -> None:
    exchange = an_exchange_of(OWN)
    assert a_step(Known({("acme", "token"): VALUE})).decide(exchange) is PASS
    assert exchange.upstream_authorization == b"Bearer hunter2"
    assert exchange.target.owner == "acme"


def test_a_credential_that_is_not_at_hand_is_asked_for() -> None:
    exchange = an_exchange_of(OWN)
    step = a_step()
    outcome = step.decide(exchange)
    assert outcome == Ask(FindCredential(OWN.id, "token"))
    assert isinstance(outcome, Ask)
    assert step.resume(exchange, outcome.question, VALUE) is PASS
    assert exchange.upstream_authorization == b"Bearer hunter2"


def unavailable(reason: str) -> Outcome:
    return Refuse(RefusalCode.STORE_UNAVAILABLE, reason)


@pytest.mark.control("TN-6")
def test_a_missing_credential_refuses() -> None:
    exchange = an_exchange_of(OWN)
    assert a_step(Known({("acme", "token"): None})).decide(exchange) == unavailable(MISSING)
    asked = FindCredential(OWN.id, "token")
    assert a_step().resume(exchange, asked, None) == unavailable(MISSING)
    assert exchange.upstream_authorization is None


def test_the_credential_of_another_tenant_is_none_of_this_one_s() -> None:
    known = Known({("globex", "token"): VALUE, ("acme", "other"): VALUE})
    assert isinstance(a_step(known).decide(an_exchange_of(OWN)), Ask)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"Bearer a\r\nX-User-Id: root", id="a line break"),
        pytest.param(b"Bearer a\n", id="a line feed at the end"),
        pytest.param(b"Bearer \x00", id="a null byte"),
        pytest.param(b" Bearer a", id="a blank in front"),
        pytest.param(b"Bearer a ", id="a blank behind"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_credential_that_is_no_field_value_is_not_sent(value: bytes) -> None:
    exchange = an_exchange_of(OWN)
    expected = unavailable("the tenant's upstream credential cannot stand in a header field")
    assert a_step(Known({("acme", "token"): Secret(value)})).decide(exchange) == expected
    assert exchange.upstream_authorization is None


@pytest.mark.parametrize("value", [b"x", b"Basic YTpi", b"Bearer caf\xc3\xa9", b"a\tb"])
def test_any_field_value_may_be_a_credential(value: bytes) -> None:
    exchange = an_exchange_of(OWN)
    assert a_step(Known({("acme", "token"): Secret(value)})).decide(exchange) is PASS
    assert exchange.upstream_authorization == value


def test_a_credential_without_an_upstream_of_its_own_stays_here() -> None:
    exchange = an_exchange_of(a_tenant(upstream_credential="token"))
    assert a_step(Known({("acme", "token"): VALUE})).decide(exchange) is PASS
    assert exchange.target is SHARED
    assert exchange.upstream_authorization is None


def test_an_answer_to_a_question_of_others_is_a_bug() -> None:
    with pytest.raises(TypeError, match="never asked FindTenant"):
        a_step().resume(an_exchange_of(OWN), FindTenant(OWN.id), None)
