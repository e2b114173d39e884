"""Which step a policy's routes get, and what of a request it keeps to itself."""

from collections.abc import Mapping

import pytest

from sidecar.decision.authentication import Authentication
from sidecar.decision.steps.authenticate import Authenticate, Withhold
from sidecar.knowledge.auth.prover import unauthorized
from sidecar.model.headers import canonical
from sidecar.model.ports import AtHand
from tests.builders import a_head, a_policy, an_exchange

KEYS: Mapping[str, object] = {"api_keys": {}}


def an_authentication(
    section: Mapping[str, object], *routes: Mapping[str, object]
) -> Authentication:
    policy = a_policy(*routes, authentication=section)
    return Authentication(policy, AtHand())


def test_a_policy_without_a_method_needs_no_step() -> None:
    none = an_authentication({})
    assert not none.is_used
    assert none.step_for(None) is None
    assert (none.fields, none.managed_names, none.withheld) == (frozenset(), frozenset(), b"")


@pytest.mark.parametrize(
    ("section", "fields", "managed", "withheld"),
    [
        pytest.param({}, {b"x-api-key"}, {canonical(b"x-api-key")}, b"", id="the default"),
        pytest.param({"header": "X-Own"}, {b"x-own"}, {canonical(b"x-own")}, b"", id="another"),
        pytest.param({"header": None}, set(), set(), b"", id="no header field"),
        pytest.param({"header": None, "query": "key"}, set(), set(), b"key", id="the query"),
    ],
)
def test_what_carries_keys_is_kept_from_the_service(
    section: dict[str, object], fields: set[bytes], managed: set[bytes], withheld: bytes
) -> None:
    found = an_authentication({"api_keys": section})
    assert (set(found.fields), set(found.managed_names)) == (fields, managed)
    assert found.withheld == withheld


def test_a_policy_that_forwards_credentials_keeps_nothing_back() -> None:
    section = {"api_keys": {"query": "key"}, "forward_credential": True}
    found = an_authentication(section, {"path": "/p"})
    assert (found.managed_names, found.withheld) == (frozenset(), b"")
    assert found.fields == {b"x-api-key"}


@pytest.mark.control("AZ-4")
def test_only_a_public_route_is_open_and_what_no_route_matches_is_not() -> None:
    policy = a_policy({"path": "/p"}, {"path": "/g", "public": False, "role": "viewer"},
                      authentication=KEYS)  # fmt: skip
    found = Authentication(policy, AtHand())
    public, guarded = policy.routes
    assert isinstance(found.step_for(public), Withhold)
    assert isinstance(found.step_for(guarded), Authenticate)
    assert isinstance(found.step_for(None), Withhold)


def test_a_public_route_of_a_policy_that_forwards_credentials_needs_no_step() -> None:
    policy = a_policy(authentication={**KEYS, "forward_credential": True})
    assert Authentication(policy, AtHand()).step_for(policy.routes[0]) is None


def test_a_route_may_accept_some_methods_alone() -> None:
    policy = a_policy({"path": "/g", "public": False, "role": "viewer", "authenticate": ["jwt"]},
                      authentication=KEYS)  # fmt: skip
    step = Authentication(policy, AtHand()).step_for(policy.routes[0])
    assert isinstance(step, Authenticate)
    assert step.decide(an_exchange(a_head())) == unauthorized("no credential")


@pytest.mark.parametrize(("bearer", "reason"), [(True, "malformed key"), (False, "no credential")])
def test_a_bearer_is_read_for_keys_unless_the_policy_says_no(reason: str, *, bearer: bool) -> None:
    policy = a_policy(
        {"path": "/g", "public": False, "role": "viewer"},
        authentication={"api_keys": {"bearer": bearer}},
    )
    step = Authentication(policy, AtHand()).step_for(policy.routes[0])
    assert isinstance(step, Authenticate)
    asked = an_exchange(a_head(b"GET", b"/", b"Authorization: Bearer sk_short"))
    assert step.decide(asked) == unauthorized(reason)


def test_tokens_are_judged_where_the_policy_has_an_issuer() -> None:
    issuer = {
        "issuer": "https://idp.example",
        "audiences": ["orders"],
        "algorithms": ["RS256"],
        "jwks": "https://idp.example/jwks",
    }
    found = an_authentication({"jwt": [issuer], "cookie": "session"})
    assert found.is_used
    assert found.provers.keys is None
    assert found.provers.tokens is not None
    assert found.fields == frozenset()
