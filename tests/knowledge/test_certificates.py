"""Ends of certificates, held against what `cryptography` reads of the same ones."""

import base64
from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sidecar.knowledge.certificates import certificates_in, not_after


def a_certificate(end: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a" * 64)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**150)
        .not_valid_before(datetime(1970, 1, 1, tzinfo=UTC))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )


@pytest.mark.parametrize(
    "end",
    [
        datetime(1970, 1, 2, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2027, 2, 28, 12, 30, 1, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(2121, 3, 4, 5, 6, 7, tzinfo=UTC),
    ],
)
def test_the_end_is_read_whichever_way_it_is_written(end: datetime) -> None:
    assert not_after(a_certificate(end).public_bytes(Encoding.DER)) == end.timestamp()


def test_a_certificate_of_the_first_version_has_no_version() -> None:
    # Version 1 by hand: names its serial first (RFC 5280 §4.1.2.1).
    validity = b"\x30\x1e\x17\x0d700101000000Z\x17\x0d270228123001Z"
    signed = b"\x02\x01\x05" + b"\x30\x00" + b"\x30\x00" + validity
    body = bytes((0x30, len(signed))) + signed
    whole = bytes((0x30, len(body))) + body
    assert not_after(whole) == datetime(2027, 2, 28, 12, 30, 1, tzinfo=UTC).timestamp()


def test_a_file_may_hold_a_chain_and_a_key() -> None:
    issued = trustme.CA().issue_cert("localhost")
    pem = issued.private_key_and_cert_chain_pem.bytes()
    [der] = certificates_in(pem)
    read = x509.load_der_x509_certificate(der)
    assert not_after(der) == read.not_valid_after_utc.timestamp()
    assert certificates_in(pem + pem) == [der, der]


DER = a_certificate(datetime(2030, 1, 1, tzinfo=UTC)).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x85\x01\x01\x01\x01\x01",
        b"\x31\x00",
        b"\x30\x02\x31\x00",
        DER[:-1],
        DER[:40],
        DER.replace(b"300101000000Z", b"300101000000X"),
        DER.replace(b"\x17\x0d300101000000Z", b"\x16\x0d300101000000Z"),
    ],
    # The certificate is another one each time, and so would be names made of it.
    ids=range(10),
)
def test_what_is_no_certificate_is_said_to_be_none(der: bytes) -> None:
    with pytest.raises(ValueError, match=r"ends too early|length|structure|date|does not match"):
        not_after(der)


def test_a_block_that_is_no_base64_is_a_mistake() -> None:
    text = base64.b64encode(b"abc").replace(b"Y", b"!")
    with pytest.raises(ValueError, match="base64"):
        certificates_in(b"-----BEGIN CERTIFICATE-----\n%b\n-----END CERTIFICATE-----" % text)
