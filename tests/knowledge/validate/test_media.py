"""What a request says of its body has one reading."""

import pytest

from sidecar.knowledge.validate.media import coding_of, media_type
from sidecar.model.body import Coding, Form

JSON = Form.JSON


@pytest.mark.parametrize(
    ("value", "form", "is_utf_8"),
    [
        (b"application/json", JSON, True),
        (b"Application/JSON", JSON, True),
        (b"application/json ; charset=UTF-8", JSON, True),
        (b'application/json;charset="utf-8"', JSON, True),
        (b"application/json; charset=utf8; profile=x", JSON, True),
        (b"application/vnd.api+json", JSON, True),
        (b"application/json; charset=utf-7", JSON, False),
        (b"application/json; charset=utf-16", JSON, False),
        (b'application/json; charset=""', JSON, False),
        (b"application/json; charset='utf-8'", JSON, False),
        (b"application/x-www-form-urlencoded", Form.URLENCODED, True),
        (b"multipart/form-data; boundary=x", Form.MULTIPART, True),
        (b"text/plain", None, True),
        (b"text/json", None, True),
        (b"image/svg+json", None, True),
        (b"application/jsonp", None, True),
        (b"application/x-ndjson", None, True),
        (b"application/x-www-form-urlencoded+json", None, True),
        (b"application/multipart+json", JSON, True),
        (b'application/json; x="multipart/form-data"', None, True),
        (b"application/json; x-www-form-urlencoded=1", None, True),
        (b"application/x-www-form-urlencoded; x=+JSON", None, True),
        (b'multipart/form-data; boundary="a/json"', None, True),
        (b"multipart/form-data; boundary=json", Form.MULTIPART, True),
    ],
)
def test_types_that_rules_read(value: bytes, form: Form | None, is_utf_8: bool) -> None:
    kind = media_type(value)
    assert kind is not None
    assert (kind.form, kind.is_utf_8) == (form, is_utf_8)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"json",
        b"application/",
        b"application/json, text/plain",
        b"application/json;",
        b"application/json; charset",
        b"application/json; charset=",
        b"application/json; charset=utf-8; charset=utf-7",
        b"application/json; charset=utf-8; CHARSET=utf-7",
        b'application/json; charset="utf-8',
        b"application/json charset=utf-8",
        b"application/json\x00",
        b"application/json\xa0",
        b"multipart/form-data; boundary=B; boundary*=utf-8''C",
        b"multipart/form-data; boundary=B; boundary*0=C",
        b"application/json; charset*=utf-8''utf-16",
        rb'multipart/form-data; boundary="A\B"',
        rb'application/json;charset="ut\f-8"',
    ],
)
def test_what_has_no_reading(value: bytes) -> None:
    assert media_type(value) is None


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/form-data; boundary=----x'()+_,-./:=?", b""),
        (b"multipart/form-data; boundary=----WebKit7d1f", b"----WebKit7d1f"),
        (b'multipart/form-data; boundary="a b"', b""),
        (b'multipart/form-data; boundary="a:b"', b"a:b"),
        (b'multipart/form-data; boundary=""', b""),
        (b"multipart/form-data; boundary=" + b"x" * 71, b""),
        (b"multipart/form-data", b""),
    ],
)
def test_boundaries_that_all_readers_know(value: bytes, boundary: bytes) -> None:
    kind = media_type(value)
    assert (b"" if kind is None else kind.boundary) == boundary


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        ([], Coding.IDENTITY),
        ([b""], Coding.IDENTITY),
        ([b"identity"], Coding.IDENTITY),
        ([b" GZip"], Coding.GZIP),
        ([b"x-gzip"], Coding.GZIP),
        ([b"deflate"], Coding.DEFLATE),
        ([b"br"], None),
        ([b"zstd"], None),
        ([b"compress"], None),
        ([b"gzip, gzip"], None),
        ([b"gzip", b"gzip"], None),
        ([b"gzip", b"identity"], None),
        ([b"gzip;q=1"], None),
    ],
)
def test_codings_that_can_be_undone(values: list[bytes], coding: Coding | None) -> None:
    assert coding_of(values) is coding
