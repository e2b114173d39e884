"""Who holds a token, and which names of the listener nobody else can own."""

import pytest

from sidecar.fronts.admin.access import Tokens, is_known_host, may
from sidecar.policy.schema.admin import AdminToken
from tests.fronts.admin.listening import ADMIN, READ


@pytest.mark.parametrize(
    ("authorization", "holder"),
    [
        pytest.param(["Bearer read-token"], READ, id="a token"),
        pytest.param(["Bearer admin-token"], ADMIN, id="another"),
        pytest.param(["bEARER  read-token "], READ, id="scheme in any case, spaces around"),
        pytest.param([], None, id="none"),
        pytest.param(["Bearer "], None, id="empty"),
        pytest.param(["Bearer read-toke"], None, id="the start of one"),
        pytest.param(["Bearer read-token2"], None, id="more than one"),
        pytest.param(["Bearer read-tokén"], None, id="not ASCII"),
        pytest.param(["Bearer \udcff"], None, id="not text"),
        pytest.param(["Basic read-token"], None, id="another scheme"),
        pytest.param(["read-token"], None, id="no scheme"),
        pytest.param(["Bearer read-token", "Bearer read-token"], None, id="two credentials"),
    ],
)
def test_the_holder_of_a_token(authorization: list[str], holder: AdminToken | None) -> None:
    assert Tokens([READ, ADMIN]).holder(authorization) is holder


def test_no_tokens_are_false() -> None:
    assert not Tokens([])
    assert Tokens([READ])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "BREW"])
def test_the_role_read_may_only_look(method: str) -> None:
    assert may(ADMIN, method)
    assert may(READ, method) == (method in {"GET", "HEAD"})


@pytest.mark.parametrize(
    ("hosts", "is_known"),
    [
        pytest.param(["127.0.0.1:9901"], True, id="an address"),
        pytest.param(["10.1.2.3"], True, id="an address without a port"),
        pytest.param(["[::1]:9901"], True, id="IPv6"),
        pytest.param(["LocalHost:1"], True, id="localhost"),
        pytest.param(["sidecar.internal:9901"], True, id="a configured name"),
        pytest.param([], True, id="none: no browser"),
        pytest.param(["evil.example"], False, id="a stranger's name"),
        pytest.param(["localhost.evil.example:9901"], False, id="a name that begins well"),
        pytest.param(["127.0.0.1.evil.example"], False, id="an address that goes on"),
        pytest.param(["127.0.0.1:80.evil.example"], False, id="a port that goes on"),
        pytest.param(["evil.example:127.0.0.1"], False, id="an address for a port"),
        pytest.param(["[::1].evil.example"], False, id="IPv6 that goes on"),
        pytest.param(["user@localhost"], False, id="a user"),
        pytest.param(["localhost", "evil.example"], False, id="two"),
        pytest.param([""], False, id="empty"),
    ],
)
def test_a_name_that_others_can_own_is_not_ours(hosts: list[str], is_known: bool) -> None:
    assert is_known_host(hosts, {"sidecar.internal"}) == is_known
