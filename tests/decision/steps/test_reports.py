"""Reports lead to the collector by one spelling of one path, bounded, and never to the service."""

import dataclasses

import pytest

from sidecar.decision.pipeline import Generation, build
from sidecar.decision.runner import Waiting, decide
from sidecar.decision.steps.reports import A_MINUTE, BODY_BYTES, COLLECTOR
from sidecar.model.exchange import Exchange
from sidecar.model.message import CHUNKED
from sidecar.model.outcome import Refuse, Respond
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_policy, an_exchange, an_unread_exchange, values_of

pytestmark = pytest.mark.control("RS-2")

REPORTS = b"/.sidecar/reports"
TYPE = b"Content-Type: application/reports+json"


def generation(**sections: object) -> Generation:
    routes = ({"path": "/**"}, {"path": "/**", "host": "shop.example"})
    return build(a_policy(*routes, **{"reports": {}, **sections}))


def judged(  # noqa: PLR0913 -- by name, what a request may differ in
    made: Generation,
    *lines: bytes,
    target: bytes = REPORTS,
    method: bytes = b"POST",
    length: int = 9,
    peer: str = "198.51.100.7",
    now: float = 1_800_000_000.0,
) -> tuple[Exchange, RefusalCode | None]:
    head = dataclasses.replace(a_head(method, target, *(lines or (TYPE,))), length=length)
    exchange = an_exchange(head, peer=peer)
    exchange.now = now
    outcome: Refuse | Respond | Waiting | None = decide(made.edge, exchange, shadow=made.shadow)
    if outcome is None:
        plan = exchange.route
        outcome = decide(plan.steps, exchange, shadow=plan.shadow)
    assert outcome is None or isinstance(outcome, Refuse)
    return exchange, None if outcome is None else outcome.code


@pytest.mark.parametrize(
    "kind",
    [b"application/reports+json", b"Application/CSP-Report", b"application/csp-report; charset=x"],
)
def test_reports_go_to_the_collector_whatever_the_routes(kind: bytes) -> None:
    exchange, code = judged(generation(), b"Content-Type: " + kind)
    assert code is None
    assert exchange.target is COLLECTOR
    assert exchange.route.name == "/.sidecar/reports"
    assert exchange.body_limit == BODY_BYTES


@pytest.mark.parametrize("mode", ["enforce", "shadow"])
@pytest.mark.parametrize(
    ("target", "code"),
    [
        (b"/.sidecar/reports/", RefusalCode.NOT_FOUND),
        (b"/.sidecar/reports/x", RefusalCode.NOT_FOUND),
        (b"/.sidecar", RefusalCode.NOT_FOUND),
        (b"/.sidecar/", RefusalCode.NOT_FOUND),
        (b"/.Sidecar/reports", RefusalCode.NOT_FOUND),
        (b"/.sidecar/Reports", RefusalCode.NOT_FOUND),
        (b"/%2esidecar/reports", RefusalCode.NOT_FOUND),
        (b"/.sidecar%2freports", RefusalCode.NOT_FOUND),
        (b"//.sidecar/reports", RefusalCode.BAD_REQUEST),
        (b"/x/../.sidecar/reports", RefusalCode.BAD_REQUEST),
    ],
)
def test_other_spellings_do_not(mode: str, target: bytes, code: RefusalCode) -> None:
    assert judged(generation(mode=mode), target=target)[1] is code


def test_without_the_section_the_path_is_reserved() -> None:
    assert judged(build(a_policy()))[1] is RefusalCode.NOT_FOUND


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
def test_reports_come_by_post(method: bytes) -> None:
    exchange, code = judged(generation(), method=method)
    assert code is RefusalCode.METHOD_NOT_ALLOWED
    assert exchange.route.name == "/.sidecar/reports"


def test_in_shadow_mode_they_never_reach_the_service_either() -> None:
    exchange, code = judged(generation(mode="shadow"), method=b"PUT")
    assert code is None
    assert exchange.target is COLLECTOR
    assert judged(generation(mode="shadow"), b"Content-Type: text/plain")[1] is not None


@pytest.mark.parametrize(
    ("lines", "length", "code"),
    [
        ((TYPE,), BODY_BYTES, None),
        ((TYPE,), BODY_BYTES + 1, RefusalCode.PAYLOAD_TOO_LARGE),
        ((TYPE,), CHUNKED, None),
        ((b"Content-Type: application/json",), 9, RefusalCode.UNSUPPORTED_MEDIA_TYPE),
        ((b"Content-Type: text/plain",), 9, RefusalCode.UNSUPPORTED_MEDIA_TYPE),
        ((b"X-A: 1",), 9, RefusalCode.UNSUPPORTED_MEDIA_TYPE),
    ],
)
def test_a_body_is_judged_by_its_head(
    lines: tuple[bytes, ...], length: int, code: RefusalCode | None
) -> None:
    assert judged(generation(), *lines, length=length)[1] is code


def test_a_network_may_send_so_many_in_a_minute() -> None:
    made = generation()
    codes = [judged(made, now=1_800_000_010.0)[1] for _ in range(A_MINUTE + 1)]
    assert codes == [*[None] * A_MINUTE, RefusalCode.RATE_LIMITED]
    assert judged(made, now=1_800_000_010.0, peer="198.51.100.8")[1] is None
    assert judged(made, now=1_800_000_061.0)[1] is None


def test_the_neighbours_of_an_ipv6_address_share_its_count() -> None:
    made = generation()
    codes = [judged(made, peer=f"2001:db8::{at:x}")[1] for at in range(A_MINUTE + 1)]
    assert codes[-1] is RefusalCode.RATE_LIMITED


def test_a_refusal_says_when_to_come_back() -> None:
    made = generation()
    for _ in range(A_MINUTE):
        judged(made, now=1_800_000_015.0)
    exchange = an_exchange(a_head(b"POST", REPORTS, TYPE))
    exchange.now = 1_800_000_015.0
    assert decide(made.edge, exchange, shadow=False) is None
    refusal = decide(exchange.route.steps, exchange, shadow=False)
    assert isinstance(refusal, Refuse)
    assert values_of(refusal.lines, b"retry-after") == [b"45"]


def test_more_networks_than_are_counted_share_a_count() -> None:
    made = generation()
    for at in range(4096):
        assert judged(made, peer=f"10.1.{at // 256}.{at % 256}")[1] is None
    codes = [judged(made, peer=f"10.2.0.{at}")[1] for at in range(A_MINUTE + 1)]
    assert codes == [*[None] * A_MINUTE, RefusalCode.RATE_LIMITED]
    assert judged(made, peer="10.1.0.1")[1] is None


def test_a_head_that_could_not_be_read_goes_nowhere() -> None:
    made = generation()
    exchange = an_unread_exchange()
    assert isinstance(decide(made.edge, exchange, shadow=False), Refuse)
    [collect] = judged(made)[0].route.steps
    exchange.client = "198.51.100.7"
    assert not isinstance(collect.decide(exchange), Refuse)


@pytest.mark.parametrize("section", ["default-src 'none'", {"script-src": "nonce", "base-uri": []}])
def test_the_policy_of_an_answer_says_where_to_report(section: object) -> None:
    made = generation(csp={"enforce": section, "report_only": "default-src x.example"})
    exchange = an_exchange()
    for step in made.plans[0].response:
        step.apply(exchange)
    lines = exchange.response_lines
    for name in (b"content-security-policy", b"content-security-policy-report-only"):
        [policy] = values_of(lines, name)
        assert policy.endswith(b"; report-uri /.sidecar/reports; report-to sidecar")
    assert values_of(lines, b"reporting-endpoints") == [b'sidecar="/.sidecar/reports"']


def test_a_policy_that_reports_elsewhere_is_left_alone() -> None:
    made = generation(csp="default-src 'none'; report-uri /mine")
    exchange = an_exchange()
    for step in made.plans[0].response:
        step.apply(exchange)
    assert values_of(exchange.response_lines, b"content-security-policy") == [
        b"default-src 'none'; report-uri /mine"
    ]
    assert values_of(exchange.response_lines, b"reporting-endpoints") == []
