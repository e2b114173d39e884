"""Parameters that no client may send are refused in every spelling."""

import pytest

from sidecar.decision.steps.forbidden import Forbidden
from sidecar.model.outcome import PASS, Outcome, Refuse
from sidecar.model.refusals import RefusalCode
from tests.builders import a_head, a_route, an_exchange, an_unread_exchange

pytestmark = pytest.mark.control("TN-7")


def judged(query: bytes | None, *names: str) -> Outcome:
    step = Forbidden.compile(a_route(forbid={"query": names or ("db_id",)}))
    assert step is not None
    target = b"/x" if query is None else b"/x?" + query
    return step.decide(an_exchange(a_head(b"GET", target)))


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"db_id=7", id="as it is written"),
        pytest.param(b"db_id", id="no value"),
        pytest.param(b"a=1&db_id=7", id="behind another"),
        pytest.param(b"db_id=&db_id=7", id="twice"),
        pytest.param(b"d%62_id=7", id="a letter escaped"),
        pytest.param(b"%64%62%5f%69%64=7", id="all escaped"),
        pytest.param(b"%64%62%5F%69%64=7", id="all escaped, in capitals"),
        pytest.param(b"%2564b_id=7", id="escaped twice"),
        pytest.param(b"DB_ID=7", id="case"),
        pytest.param(b"db_id[]=7", id="a list"),
        pytest.param(b"db_id%5B0%5D=7", id="a list, escaped"),
        pytest.param(b"db_id.x=7", id="a member"),
        pytest.param(b"db.id=7", id="a dot to PHP"),
        pytest.param(b"db+id=7", id="a blank to PHP"),
        pytest.param(b"+db_id=7", id="a blank before"),
        pytest.param(b"%20db_id=7", id="a blank before, escaped"),
        pytest.param(b"a=1;db_id=7", id="behind a semicolon"),
        pytest.param(b"db_id%00=7", id="NUL behind"),
        pytest.param(b"db_id%", id="cut short"),
        pytest.param(b"db_id%ff=7", id="not UTF-8"),
    ],
)
def test_a_forbidden_parameter_is_refused_in_every_spelling(query: bytes) -> None:
    outcome = judged(query)
    assert isinstance(outcome, Refuse)
    assert outcome.code is RefusalCode.FORBIDDEN


@pytest.mark.parametrize(
    "query", [None, b"", b"db=1", b"db_id2=1", b"q=db_id", b"q=db_id%3D7", b"q=%zz", b"dbid=1"]
)
def test_other_parameters_pass(query: bytes | None) -> None:
    assert judged(query) is PASS


def test_the_reason_names_the_rule() -> None:
    outcome = judged(b"x=1&Shard=2", "db_id", "shard")
    assert outcome == Refuse(RefusalCode.FORBIDDEN, "the query has the parameter shard")


def test_a_route_that_forbids_nothing_has_no_such_step() -> None:
    assert Forbidden.compile(a_route()) is None


def test_a_request_without_a_head_has_no_parameters() -> None:
    step = Forbidden.compile(a_route(forbid={"query": ["a"]}))
    assert step is not None
    assert step.decide(an_unread_exchange()) is PASS
