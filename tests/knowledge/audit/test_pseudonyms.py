"""Pseudonyms are stable, tell nothing without the key, and stand for persons alone."""

import hashlib
import hmac

import pytest

from sidecar.knowledge.audit.pseudonyms import (
    address_pseudonym,
    email_pseudonym,
    is_email,
    pseudonym,
)
from sidecar.model.secret import Secret

KEY = Secret(b"k" * 32)


def test_a_pseudonym_is_an_hmac_that_others_can_make() -> None:
    digest = hmac.new(b"k" * 32, b"ip\x00192.0.2.7", hashlib.sha256).hexdigest()
    assert address_pseudonym(KEY, "192.0.2.7") == f"ip-{digest[:24]}"


def test_case_makes_no_other_person() -> None:
    assert email_pseudonym(KEY, "Ann@Example.com") == email_pseudonym(KEY, "ann@example.com")


def test_another_key_and_another_kind_make_another_pseudonym() -> None:
    made = {pseudonym(key, kind, "a@b") for key in (KEY, Secret(b"j" * 32)) for kind in ("a", "b")}
    assert len({one.partition("-")[2] for one in made}) == 4


def test_text_that_is_no_unicode_has_a_pseudonym_too() -> None:
    assert len(email_pseudonym(KEY, "\ud800@example.com")) == len("mail-") + 24


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("ann@example.com", True),
        ("https://idp.example#ann@example.com", True),
        ("ann@localhost", True),
        ("user-7f3a", False),
        ("@example.com", False),
        ("ann@", False),
        ("ann @example.com", False),
        ("/accounts/{account}", False),
    ],
)
def test_what_looks_like_an_e_mail_address_is_one(text: str, *, holds: bool) -> None:
    assert is_email(text) is holds
