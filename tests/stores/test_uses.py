"""Which keys were used: of admitted exchanges alone, each once, bounded."""

import pytest

from sidecar.adapters.stores.uses import KeyUses
from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeyId, Method
from sidecar.model.verdict import Ending, Verdict
from tests.builders import a_principal, an_exchange


def used(key_id: str = "k1", *, at: float = 5.0, method: Method = Method.API_KEY) -> Exchange:
    exchange = an_exchange()
    exchange.principal = a_principal(method=method, credential_id=key_id)
    exchange.now = at
    return exchange


def ended(ending: Ending = Ending.ADMITTED) -> Verdict:
    return Verdict(ending, 200, None, "", "", 0.1, None, 0, 0, False)  # noqa: FBT003 -- by position


def test_the_use_of_a_key_is_handed_out_once() -> None:
    uses = KeyUses()
    uses.note(used(at=5.0), ended())
    uses.note(used(at=7.0), ended())
    assert len(uses) == 1
    assert uses.take() == {KeyId("k1"): 7.0}
    assert uses.take() == {}


@pytest.mark.parametrize("ending", [one for one in Ending if one is not Ending.ADMITTED])
def test_what_was_not_admitted_is_no_use(ending: Ending) -> None:
    uses = KeyUses()
    uses.note(used(), ended(ending))
    assert uses.take() == {}


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(an_exchange(), id="a public route"),
        pytest.param(used(""), id="nobody, in shadow mode"),
        pytest.param(used(method=Method.JWT), id="a token"),
    ],
)
def test_whoever_has_no_key_uses_none(exchange: Exchange) -> None:
    uses = KeyUses()
    uses.note(exchange, ended())
    assert uses.take() == {}


def test_the_number_of_keys_is_bounded_and_those_that_are_noted_go_on() -> None:
    uses = KeyUses(limit=2)
    for key_id in ("k1", "k2", "k3"):
        uses.note(used(key_id, at=1.0), ended())
    uses.note(used("k1", at=2.0), ended())
    assert uses.take() == {KeyId("k1"): 2.0, KeyId("k2"): 1.0}
