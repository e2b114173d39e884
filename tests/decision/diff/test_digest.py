"""The digest that is acknowledged: it names two policies to the last byte."""

import pytest

from tests.decision.diff.comparing import ROUTES, diff_of

JWT = "{issuer: 'https://idp', audiences: [a], algorithms: [RS256], jwks: 'https://idp/k'%s}"
HIDDEN = [
    ("secrets: {pepper: 'file:f'}", "f"),
    ("admin: {tokens: [{name: a, token: 'file:f', role: read}]}", "f"),
    (f"authentication: {{jwt: [{JWT % ', ca: f'}]}}", "f"),
    ("body: {schema: f}", "f"),
]


@pytest.mark.parametrize(("text", "file"), HIDDEN)
def test_the_digest_means_what_stands_in_secrets_and_files(text: str, file: str) -> None:
    """Whoever acknowledges a change does not acknowledge what is put there afterwards."""
    whole = f"{text}\n{ROUTES}"
    contents = [b"1234567890123456", b"2234567890123456", b"3234567890123456"]
    first, second, again = (
        diff_of(whole, whole, ({file: contents[0]}, {file: one}))
        for one in (contents[1], contents[2], contents[1])
    )
    assert first.widens
    assert first.digest == again.digest != second.digest
    back = diff_of(whole, whole, ({file: contents[2]}, {file: contents[1]}))
    assert back.digest not in {first.digest, second.digest}


def test_the_digest_tells_two_files_that_changed_places() -> None:
    tokens = [
        f"{{name: {n}, token: 'file:{n}', role: {r}}}" for n, r in (("f", "read"), ("g", "admin"))
    ]
    whole = f"admin: {{tokens: [{', '.join(tokens)}]}}\n{ROUTES}"
    old = {"f": b"0123456789abcdef", "g": b"0123456789abcdeg"}
    new = {"f": b"1123456789abcdef", "g": b"1123456789abcdeg"}
    swapped = {"f": new["g"], "g": new["f"]}
    assert diff_of(whole, whole, (old, new)).digest != diff_of(whole, whole, (old, swapped)).digest
