"""What no route names is refused (AZ-4); a route that is named is chosen before its methods."""

from dataclasses import replace

import pytest

from sidecar.decision.steps.route import Route
from sidecar.model.exchange import Exchange
from sidecar.model.outcome import PASS, Refuse
from sidecar.model.refusals import RefusalCode
from sidecar.model.template import Template, parse_path
from tests.builders import a_head, a_plan, an_exchange, an_unread_exchange, refusal_of

FALLBACK = a_plan("-")


def a_step(*rows: tuple[str, tuple[bytes, ...] | None]) -> Route:
    """Make the step of routes, each a path and its methods; a plan is named after its row."""
    entries = (
        (Template(None, parse_path(path), path), methods, a_plan(f"{path} {number}"))
        for number, (path, methods) in enumerate(rows)
    )
    return Route(entries, fallback=FALLBACK)


def at(path: str, method: bytes = b"GET") -> Exchange:
    exchange = an_exchange(replace(a_head(), method=method))
    exchange.segments = tuple(path.split("/")[1:])
    return exchange


@pytest.mark.control("AZ-4")
@pytest.mark.parametrize("path", ["/", "/unknown", "/orders/7", "/Orders"])
def test_what_no_route_names_is_refused(path: str) -> None:
    exchange = at(path)
    outcome = a_step(("/orders", None)).decide(exchange)
    assert refusal_of(outcome) is RefusalCode.NOT_FOUND
    assert exchange.route is FALLBACK


@pytest.mark.control("AZ-4")
def test_an_unread_head_belongs_to_no_route() -> None:
    exchange = an_unread_exchange()
    outcome = a_step(("/**", None)).decide(exchange)
    assert refusal_of(outcome) is RefusalCode.NOT_FOUND


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PROPFIND"])
def test_a_route_without_methods_serves_all(method: bytes) -> None:
    exchange = at("/orders", method)
    assert a_step(("/orders", None)).decide(exchange) is PASS
    assert exchange.route.name == "/orders 0"


@pytest.mark.parametrize(
    ("method", "plan"),
    [
        pytest.param(b"GET", "/orders 0", id="listed"),
        pytest.param(b"HEAD", "/orders 0", id="HEAD beside GET"),
        pytest.param(b"POST", "/orders 1", id="listed by another route"),
        pytest.param(b"DELETE", "/orders 2", id="left to the route without methods"),
    ],
)
def test_routes_of_one_template_share_it_by_method(method: bytes, plan: str) -> None:
    exchange = at("/orders", method)
    step = a_step(("/orders", (b"GET",)), ("/orders", (b"POST", b"PUT")), ("/orders", None))
    assert step.decide(exchange) is PASS
    assert exchange.route.name == plan


@pytest.mark.parametrize(
    "rows",
    [
        [("/orders", (b"GET",)), ("/orders", (b"HEAD",))],
        [("/orders", (b"HEAD",)), ("/orders", (b"GET",))],
    ],
    ids=["GET first", "HEAD first"],
)
def test_a_route_that_lists_head_serves_it(rows: list[tuple[str, tuple[bytes, ...]]]) -> None:
    exchange = at("/orders", b"HEAD")
    assert a_step(*rows).decide(exchange) is PASS
    assert exchange.route.name == f"/orders {[b'HEAD' in row[1] for row in rows].index(True)}"


@pytest.mark.parametrize(
    ("rows", "allow"),
    [
        pytest.param([("/orders", (b"GET",))], b"GET, HEAD", id="HEAD is implied"),
        pytest.param([("/orders", (b"PUT", b"DELETE"))], b"DELETE, PUT", id="in order"),
        pytest.param(
            [("/orders", (b"PUT",)), ("/orders", (b"GET",))], b"GET, HEAD, PUT", id="of all routes"
        ),
        pytest.param(
            [("/orders", (b"PUT",)), ("/**", None)], b"PUT", id="never a less specific route"
        ),
    ],
)
def test_a_method_that_is_not_listed_is_405_with_those_that_are(
    rows: list[tuple[str, tuple[bytes, ...] | None]], allow: bytes
) -> None:
    exchange = at("/orders", b"POST")
    outcome = a_step(*rows).decide(exchange)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.METHOD_NOT_ALLOWED
    assert outcome.lines == (b"Allow: " + allow,)
    assert exchange.route.name == "/orders 0"


def test_bindings_of_other_names_are_the_same_template() -> None:
    exchange = at("/orders/7", b"POST")
    step = a_step(("/orders/{id}", (b"GET",)), ("/orders/{order}", (b"POST",)))
    assert step.decide(exchange) is PASS
    assert exchange.route.name == "/orders/{order} 1"
