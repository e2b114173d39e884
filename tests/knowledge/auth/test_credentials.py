import dataclasses

import pytest

from sidecar.knowledge.auth.credentials import Credentials, Place, Places, Provers
from sidecar.knowledge.auth.prover import unauthorized
from tests.builders import a_head
from tests.knowledge.auth.provers import FixedProver

NO = unauthorized("no")
KEYS = FixedProver(b"sk_", NO)
TOKENS = FixedProver(b"ey", NO)
EVERYWHERE = Places(header=b"x-api-key", query=b"key", cookie=b"session", reads_bearer=True)
NOWHERE = Places(header=b"", query=b"", cookie=b"", reads_bearer=False)


def reader(places: Places = EVERYWHERE, **provers: FixedProver | None) -> Credentials:
    return Credentials(places, Provers(**{"keys": KEYS, "tokens": TOKENS, **provers}))


@pytest.mark.parametrize(
    ("target", "lines", "values"),
    [
        pytest.param(b"/", [], [], id="nothing"),
        pytest.param(b"/", [b"X-API-Key: sk_1"], [b"sk_1"], id="the key's field"),
        pytest.param(b"/", [b"x-api-KEY:\t sk_1 \t"], [b"sk_1"], id="in any case, with blanks"),
        pytest.param(b"/", [b"X-API-Key:"], [b""], id="an empty key is a key"),
        pytest.param(b"/", [b"X_API_Key: sk_1"], [], id="another spelling is no key"),
        pytest.param(b"/", [b"X-API-Key: foreign"], [b"foreign"], id="the field is always ours"),
        pytest.param(b"/", [b"Authorization: Bearer sk_1"], [b"sk_1"], id="a bearer key"),
        pytest.param(b"/", [b"authorization: bEARER  ey.a.b"], [b"ey.a.b"], id="a bearer token"),
        pytest.param(b"/", [b"Authorization: Bearer\tsk_1"], [b"sk_1"], id="behind a tab"),
        pytest.param(b"/", [b"Authorization: Bearer foreign"], [b"foreign"], id="any bearer alone"),
        pytest.param(b"/", [b"Authorization: Bearer"], [b""], id="a bearer without a value"),
        pytest.param(b"/", [b"Authorization: Basic sk_1"], [], id="another scheme"),
        pytest.param(
            b"/",
            [b"X-API-Key: sk_1", b"Authorization: Bearer foreign"],
            [b"sk_1"],
            id="the application's bearer beside a key",
        ),
        pytest.param(
            b"/",
            [b"X-API-Key: sk_1", b"Authorization: Bearer sk_2"],
            [b"sk_1", b"sk_2"],
            id="two different ones",
        ),
        pytest.param(
            b"/",
            [b"X-API-Key: sk_1", b"Authorization: Bearer ey.a.b"],
            [b"sk_1", b"ey.a.b"],
            id="a key and a token",
        ),
        pytest.param(
            b"/",
            [b"X-API-Key: sk_1", b"Authorization: Bearer sk_1"],
            [b"sk_1"],
            id="the same one twice",
        ),
        pytest.param(b"/", [b"X-API-Key: a", b"X-API-Key: b"], [b"a", b"b"], id="two fields"),
        pytest.param(b"/?key=sk_1", [], [b"sk_1"], id="the parameter"),
        pytest.param(b"/?a=1&k%65y=sk%5f1&b", [], [b"sk_1"], id="the parameter, encoded"),
        pytest.param(b"/?key=sk_1&key=sk_2", [], [b"sk_1", b"sk_2"], id="two parameters"),
        pytest.param(b"/?a=1;key=sk_1", [], [b"sk_1"], id="behind a semicolon"),
        pytest.param(b"/?key=sk_1;b", [], [b"sk_1;b", b"sk_1"], id="two readings of a parameter"),
        pytest.param(b"/?KEY=sk_1", [], [], id="another case of the parameter"),
        pytest.param(b"/", [b"Cookie: a=1; session=ey.a.b"], [b"ey.a.b"], id="the cookie"),
        pytest.param(b"/", [b'Cookie: session="ey.a.b"'], [b"ey.a.b"], id="the cookie, quoted"),
        pytest.param(b"/", [b"Cookie: session = ey.a.b"], [b"ey.a.b"], id="the cookie, blanks"),
        pytest.param(b"/", [b"Cookie: xsession=ey.a.b"], [], id="another cookie"),
        pytest.param(b"/", [b"Cookie: session"], [], id="a cookie without a value"),
        pytest.param(
            b"/", [b"Cookie: session=1; session=2"], [b"1", b"2"], id="two cookies of the name"
        ),
    ],
)
def test_credentials_are_found_where_the_policy_reads_them(
    target: bytes, lines: list[bytes], values: list[bytes]
) -> None:
    found = reader().read(a_head(b"GET", target, *lines), claims_any_bearer=True)
    assert found.values == values


def test_nothing_is_read_where_the_policy_does_not_say_so() -> None:
    lines = (b"X-API-Key: sk_1", b"Authorization: Bearer sk_1", b"Cookie: session=ey")
    found = reader(NOWHERE).read(a_head(b"GET", b"/?key=sk_1", *lines), claims_any_bearer=True)
    assert found.values == []
    assert found.lines == {}


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"Authorization: Bearer sk_1", None),
        (b"Authorization: Bearer ey.a.b", None),
        (b"authorization: BEARER\tsk_1", None),
        (b"Cookie: session=ey", None),
        (b"Cookie: a=1; session=ey;b=2", b"Cookie: a=1; b=2"),
        (b"Cookie: session\t=ey; b=2", b"Cookie: b=2"),
    ],
)
def test_a_public_route_keeps_what_is_ours_from_the_service(
    line: bytes, left: bytes | None
) -> None:
    found = reader().read(a_head(b"GET", b"/", line), claims_any_bearer=False)
    assert found.lines == {line: left}


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer foreign",
        b"Authorization: Basic c2tfMTpzZWNyZXQ=",
        b"Cookie: other=1",
        b"Accept: */*",
    ],
)
def test_a_public_route_leaves_what_is_the_application_s(line: bytes) -> None:
    assert reader().read(a_head(b"GET", b"/", line), claims_any_bearer=False).lines == {}


@pytest.mark.parametrize(
    ("line", "prover"),
    [
        pytest.param(b"X-API-Key: ey.a.b", KEYS, id="a token in the key's field"),
        pytest.param(b"Cookie: session=sk_1", TOKENS, id="a key in the cookie"),
        pytest.param(b"Authorization: Bearer sk_1", KEYS, id="a key"),
        pytest.param(b"Authorization: Bearer ey.a.b", TOKENS, id="a token"),
        pytest.param(b"Authorization: Bearer foreign", TOKENS, id="neither"),
    ],
)
def test_the_place_decides_who_judges(line: bytes, prover: FixedProver) -> None:
    credentials = reader()
    found = credentials.read(a_head(b"GET", b"/", line), claims_any_bearer=True)
    assert credentials.prover_of(found) is prover


def test_a_policy_with_one_method_judges_every_bearer_by_it() -> None:
    head = a_head(b"GET", b"/", b"Authorization: Bearer foreign")
    only_keys, only_tokens = reader(tokens=None), reader(keys=None)
    assert only_keys.prover_of(only_keys.read(head, claims_any_bearer=True)) is KEYS
    assert only_tokens.prover_of(only_tokens.read(head, claims_any_bearer=True)) is TOKENS


def test_a_cookie_is_judged_by_nobody_where_there_are_no_tokens() -> None:
    credentials = reader(tokens=None)
    head = a_head(b"GET", b"/", b"Cookie: session=sk_1")
    found = credentials.read(head, claims_any_bearer=True)
    assert found.places == [Place.COOKIE]
    assert credentials.prover_of(found) is None


def test_a_key_is_no_bearer_where_the_policy_says_so_and_stays_ours_nevertheless() -> None:
    credentials = reader(dataclasses.replace(EVERYWHERE, takes_bearer_keys=False))
    head = a_head(b"GET", b"/", b"Authorization: Bearer sk_1")
    found = credentials.read(head, claims_any_bearer=True)
    assert credentials.prover_of(found) is None
    assert found.lines == {b"Authorization: Bearer sk_1": None}
