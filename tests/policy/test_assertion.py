"""The section `assertion`: a good key, or a problem at its place; and names that do not collide."""

import base64

import pytest

from sidecar.policy.schema.assertion import Assertion
from tests.policy.reading import GOOD, loaded, problems_of

# RFC 8410 §10.3, and the same with other bytes.
PEM = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
SEED = bytes.fromhex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842")
HEAD = bytes.fromhex("302e020100300506032b657004220420")
ENCRYPTED = PEM.replace(b"PRIVATE", b"ENCRYPTED PRIVATE")


def a_pem(der: bytes) -> bytes:
    return PEM.splitlines()[0] + b"\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n"


FILES = {"a.pem": PEM, "b.pem": a_pem(HEAD + bytes(range(32)))}
SMALL = "assertion: {key: 'file:a.pem', audience: orders}\n"


def the_assertion(line: str) -> Assertion:
    assertion = loaded(GOOD + line, FILES, {"KEY": PEM.decode()}).policy.assertion
    assert assertion is not None
    return assertion


def test_without_the_section_nothing_is_signed() -> None:
    assert loaded(GOOD).policy.assertion is None


def test_a_key_and_an_audience_are_enough() -> None:
    assertion = the_assertion(SMALL)
    assert [key.reveal() for key in assertion.key] == [SEED]
    assert (assertion.audience, assertion.issuer, assertion.life, assertion.header) == (
        "orders",
        "sidecar",
        30.0,
        "X-Sidecar-Assertion",
    )


def test_a_life_of_a_minute_is_the_longest() -> None:
    assert the_assertion(SMALL.replace("}", ", life: 60s}")).life == 60.0


def test_several_keys_are_a_list_with_the_newest_first() -> None:
    assertion = the_assertion("assertion: {key: ['file:b.pem', 'env:KEY'], audience: orders}\n")
    assert [key.reveal() for key in assertion.key] == [bytes(range(32)), SEED]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"-----BEGIN PRIVATE KEY-----", id="only begun"),
        pytest.param(b"secret", id="a word"),
        pytest.param(ENCRYPTED, id="encrypted"),
        pytest.param(PEM.replace(b"PRIVATE", b"PUBLIC"), id="a public key"),
        pytest.param(PEM + PEM, id="two keys in a file"),
        pytest.param(PEM.replace(b"VhC", b"Vh"), id="base64 that is cut"),
        pytest.param(a_pem(HEAD + bytes(31)), id="a short key"),
        pytest.param(a_pem(HEAD + bytes(33)), id="bytes behind the key"),
        pytest.param(a_pem(HEAD.replace(b"\x70", b"\x71") + bytes(32)), id="Ed448 by its name"),
        pytest.param(a_pem(HEAD.replace(b"\x70", b"\x6e") + bytes(32)), id="X25519"),
        pytest.param(a_pem(b""), id="nothing"),
    ],
)
def test_what_is_no_ed25519_key_is_a_problem_that_does_not_show_it(content: bytes) -> None:
    (problem,) = problems_of(GOOD + SMALL, {"a.pem": content})
    assert (problem.line, problem.column, problem.path) == (4, 18, "assertion.key")
    assert "openssl genpkey -algorithm ed25519" in problem.hint
    assert content.decode().strip() not in str(problem)
    assert not problem.warning


@pytest.mark.parametrize(
    ("line", "path", "hint"),
    [
        ("{audience: orders}", "assertion.key", "missing"),
        ("{key: 'file:a.pem'}", "assertion.audience", "missing"),
        ("{key: [], audience: orders}", "assertion.key", "is empty"),
        ("{key: 'file:c.pem', audience: orders}", "assertion.key", "folder of the policy"),
        ("{key: 'env:NONE', audience: orders}", "assertion.key", "file:PATH or env:NAME"),
        ("{key: 'file:a.pem', audience: 'a b'}", "assertion.audience", "without blanks"),
        ("{key: 'file:a.pem', audience: a, life: 61s}", "assertion.life", "60s at most"),
        ("{key: 'file:a.pem', audience: a, life: 0s}", "assertion.life", "above 0"),
        ("{key: 'file:a.pem', audience: a, life: 900ms}", "assertion.life", "whole seconds"),
        ("{key: 'file:a.pem', audience: a, header: a_b}", "assertion.header", "letters"),
        ("{key: 'file:a.pem', audience: a, leeway: 5s}", "assertion.leeway", "known here"),
        ("{key: ['file:a.pem', 'file:a.pem'], audience: a}", "assertion.key[1]", "each key once"),
    ],
)
def test_a_mistake_is_shown_with_its_mend(line: str, path: str, hint: str) -> None:
    (problem,) = problems_of(f"{GOOD}assertion: {line}\n", FILES)
    assert (problem.path, problem.warning) == (path, False)
    assert hint in problem.message + problem.hint


def test_a_key_in_the_policy_is_a_warning() -> None:
    text = GOOD + "assertion: {audience: orders, key: '${KEY}'}\n"
    (problem,) = problems_of(text, environ={"KEY": PEM.decode()})
    assert (problem.path, problem.warning) == ("assertion.key", True)
    assert "PRIVATE" not in str(problem)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (SMALL.replace("}", ", header: x-tenant-id}"), "assertion.header"),
        (SMALL.replace("}", ", header: Host}"), "assertion.header"),
        (SMALL.replace("}", ", header: Authorization}"), "assertion.header"),
        (SMALL.replace("}", ", header: X-Forwarded-For}"), "assertion.header"),
        ("identity_headers: {tenant: X-User-Id}\n", "identity_headers.subject"),
        ("identity_headers: {tenant: Content-Length}\n", "identity_headers.tenant"),
    ],
)
def test_a_field_about_the_caller_has_a_name_of_its_own(line: str, path: str) -> None:
    (problem,) = problems_of(GOOD + line, FILES)
    assert (problem.path, problem.warning) == (path, False)


def test_a_name_that_another_fact_gave_up_is_free() -> None:
    line = "identity_headers: {tenant: X-User-Id, subject: null}\n"
    assert problems_of(GOOD + line) == []
