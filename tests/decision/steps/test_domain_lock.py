"""Keys for browsers work on their project's domains; other keys are not locked."""

import pytest

from sidecar.decision.steps.domain_lock import DomainLock, Tier
from sidecar.model.exchange import Exchange
from sidecar.model.identity import ProjectRecord, TenantId
from sidecar.model.outcome import PASS, Ask, Refuse
from sidecar.model.questions import AdmitDomain
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_policy, a_tenant
from tests.decision.steps.known import a_member

WEB = ProjectRecord(("app.acme.example", "*.Shops.example", "localhost"))
ACME = a_tenant(
    tier="pro",
    projects={"web": WEB, "ours": ProjectRecord((), is_system=True), "new": ProjectRecord()},
)
UNREGISTERED = Refuse(RefusalCode.FORBIDDEN, "domain not registered for the project")
EVIL = b"Origin: https://evil.example"


def a_step(**lock: object) -> DomainLock:
    step = DomainLock.compile(a_policy(authentication={"api_keys": {"domain_lock": lock}}))
    assert isinstance(step, DomainLock)
    return step


def used(*lines: bytes, project: str | None = "web", kind: str = "publishable") -> Exchange:
    exchange = a_member("viewer", kind=kind, project=project)
    exchange.tenant = ACME
    exchange.head = a_head(b"GET", b"/", *lines)
    return exchange


@pytest.mark.control("AN-8")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"Origin: https://app.acme.example"], id="origin"),
        pytest.param([b"ORIGIN:HTTPS://APP.ACME.EXAMPLE"], id="case"),
        pytest.param([b"Origin: http://app.acme.example:3000"], id="port and scheme"),
        pytest.param([b"Referer: https://app.acme.example/a?b#c"], id="referer"),
        pytest.param([b"Referer: https://app.acme.example"], id="referer without a path"),
        pytest.param(
            [b"Referer: https://app.acme.example?x=//evil.example"], id="query of referer"
        ),
        pytest.param([b"Origin: https://one.shops.example"], id="one label"),
        pytest.param([b"Origin: http://localhost:5173"], id="localhost"),
        pytest.param(
            [b"Origin: https://app.acme.example", b"Referer: https://evil.example/"],
            id="origin before referer",
        ),
    ],
)
def test_a_registered_domain_passes(lines: list[bytes]) -> None:
    exchange = used(*lines)
    assert a_step().decide(exchange) is PASS
    assert exchange.tier == "pro"


@pytest.mark.control("AN-8")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="none sent"),
        pytest.param([EVIL], id="another"),
        pytest.param([b"Origin: null"], id="null"),
        pytest.param([b"Origin:"], id="empty"),
        pytest.param([b"Origin: null", b"Referer: https://app.acme.example/"], id="null first"),
        pytest.param([EVIL, b"Referer: https://app.acme.example/"], id="origin before referer"),
        pytest.param([EVIL, b"Origin: https://app.acme.example"], id="two origins"),
        pytest.param([b"Origin: https://app.acme.example, https://evil.example"], id="a list"),
        pytest.param([b"Origin: https://app.acme.example.evil.example"], id="prefix"),
        pytest.param([b"Origin: https://evil-app.acme.example"], id="suffix"),
        pytest.param([b"Origin: https://app.acme.example."], id="a dot behind"),
        pytest.param([b"Origin: https://acme.example"], id="parent"),
        pytest.param([b"Origin: https://www.app.acme.example"], id="child"),
        pytest.param([b"Origin: https://shops.example"], id="wildcard's own domain"),
        pytest.param([b"Origin: https://a.b.shops.example"], id="two labels"),
        pytest.param([b"Origin: https://evilshops.example"], id="no dot"),
        pytest.param([b"Origin: app.acme.example"], id="no scheme"),
        pytest.param([b"Origin: file://app.acme.example"], id="another scheme"),
        pytest.param([b"Origin: https://app.acme.example@evil.example"], id="user"),
        pytest.param([b"Referer: https://app.acme.example:x@evil.example/"], id="user, password"),
        pytest.param([b"Referer: https://app.acme.example\\@evil.example/"], id="backslash"),
        pytest.param([b"Referer: https://evil.example/https://app.acme.example/"], id="path"),
        pytest.param([b"Referer: https://evil.example#https://app.acme.example/"], id="fragment"),
        pytest.param([b"Referer: //app.acme.example/"], id="no scheme in referer"),
        pytest.param([b"Origin: https://[::1]:80"], id="address"),
        pytest.param([b"Origin: https://app.\xe2\x80\x8bacme.example"], id="a blank of no width"),
        pytest.param([b"Origin: https://" + b"a" * 254], id="too long for a name"),
    ],
)
def test_an_unregistered_domain_is_refused(lines: list[bytes]) -> None:
    exchange = used(*lines)
    assert a_step().decide(exchange) == UNREGISTERED
    assert exchange.tier == "pro"


@pytest.mark.control("AN-8")
@pytest.mark.parametrize("project", [None, "new", "ghost"])
def test_a_key_without_a_registered_domain_is_refused_everywhere(project: str | None) -> None:
    step = a_step()
    for line in (b"Origin: https://app.acme.example", b"Origin: https://acme.example"):
        assert step.decide(used(line, project=project)) == UNREGISTERED


@pytest.mark.control("AN-8")
def test_a_request_without_a_head_is_on_no_domain() -> None:
    exchange = used()
    exchange.head = None
    assert a_step().decide(exchange) == UNREGISTERED


@pytest.mark.control("AN-8")
@pytest.mark.parametrize("kind", ["secret", "Publishable"])
def test_other_kinds_are_not_locked(kind: str) -> None:
    assert a_step().decide(used(EVIL, kind=kind)) is PASS


@pytest.mark.control("AN-8")
@pytest.mark.parametrize("lines", [[], [EVIL], [b"Origin: null"]])
def test_a_downgrade_lowers_the_tier_and_admits(lines: list[bytes]) -> None:
    exchange = used(*lines)
    assert a_step(unregistered="downgrade", tier="trial").decide(exchange) is PASS
    assert exchange.tier == "trial"


@pytest.mark.control("AN-8")
@pytest.mark.parametrize(
    ("lines", "project", "domain"),
    [
        ([EVIL], "web", "evil.example"),
        ([b"Origin: HTTP://EVIL.example:80"], "web", "evil.example"),
        ([b"Origin: http://[::1]:80"], "web", "[::1]"),
        ([], "web", "(none)"),
        ([b"Origin: null"], "web", "(none)"),
        ([EVIL], None, "evil.example"),
    ],
)
def test_a_cap_counts_unregistered_domains(
    lines: list[bytes], project: str | None, domain: str
) -> None:
    step = a_step(unregistered="downgrade", domain_cap=3)
    exchange = used(*lines, project=project)
    question = AdmitDomain(TenantId("acme"), project or "", domain, 3)
    assert step.decide(exchange) == Ask(question)
    assert exchange.tier == "free"
    assert step.resume(exchange, question, answer=True) is PASS
    for answer in (False, None, 1):
        outcome = step.resume(exchange, question, answer)
        assert outcome == Refuse(
            RefusalCode.FORBIDDEN, "too many unregistered domains of the project"
        )


@pytest.mark.control("AN-8")
def test_a_system_s_project_skips_the_cap() -> None:
    exchange = used(EVIL, project="ours")
    assert a_step(unregistered="downgrade", domain_cap=1).decide(exchange) is PASS
    assert exchange.tier == "free"


@pytest.mark.control("AN-8")
@pytest.mark.parametrize("unregistered", ["refuse", "downgrade"])
def test_a_locked_key_of_no_tenant_is_refused(unregistered: str) -> None:
    exchange = used(EVIL)
    exchange.tenant = None
    outcome = a_step(unregistered=unregistered).decide(exchange)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.FORBIDDEN


@pytest.mark.parametrize(
    "authentication",
    [
        {},
        {"api_keys": {"domain_lock": {"kinds": []}}},
        {"api_keys": {"domain_lock": {"kinds": ["widget"]}}},
        {"api_keys": {"formats": [{"kind": "secret", "prefix": "sk"}]}},
    ],
)
def test_where_no_key_can_be_locked_only_the_tier_is_found(
    authentication: dict[str, object],
) -> None:
    assert isinstance(DomainLock.compile(a_policy(authentication=authentication)), Tier)


@pytest.mark.parametrize("step", [Tier(), a_step()], ids=["tier", "domain_lock"])
@pytest.mark.parametrize(
    ("own", "has_tenant", "tier"),
    [("gold", True, "gold"), (None, True, "pro"), ("gold", False, "gold"), (None, False, None)],
)
def test_the_tier_is_the_credential_s_own_else_the_tenant_s(
    step: Tier | DomainLock, own: str | None, *, has_tenant: bool, tier: str | None
) -> None:
    exchange = a_member("viewer", kind="secret", tier=own)
    exchange.tenant = ACME if has_tenant else None
    assert step.decide(exchange) is PASS
    assert exchange.tier == tier
