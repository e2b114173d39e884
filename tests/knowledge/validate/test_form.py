"""A form has one reading in either encoding, and is within its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.validate.form import (
    Field,
    FormBounds,
    TooMuchError,
    multipart,
    urlencoded,
)
from sidecar.knowledge.validate.json_text import UnfitError

BOUNDS = FormBounds(
    fields=3,
    name=9,
    value=20,
    files=1,
    file=30,
    file_types=("image/*", "text/csv"),
    file_names=(".png", ".csv"),
)
MALFORMED = "the form is malformed: "


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"", [("", "")]),
        (b"a=1&b=2", [("a", "1"), ("b", "2")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        (b"a+b=c%20d%C3%A9", [("a b", "c dé")]),
        (b"a", [("a", "")]),
        (b"_charset_=UTF-8", [("_charset_", "UTF-8")]),
        (b"a=1;b=2", [("a", "1;b=2"), ("a", "1"), ("b", "2")]),
    ],
)
def test_a_form_is_read_in_every_way_in_which_services_read_it(
    content: bytes, fields: list[tuple[str, str]]
) -> None:
    assert urlencoded(content, BOUNDS) == [Field(*field) for field in fields]


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"a&b&c&d", TooMuchError, "the form has too many fields"),
        (b"a;b;c;d", TooMuchError, "the form has too many fields"),
        (b"a=" + b"x" * 21, TooMuchError, "a value of the form is too long"),
        (b"a=" + b"%20" * 21, TooMuchError, "a value of the form is too long"),
        (b"a=" + b"%C3%A9" * 11, TooMuchError, "a value of the form is too long"),
        (b"a=" + b"x" * 61, TooMuchError, "a value of the form is too long"),
        (b"x" * 10 + b"=", TooMuchError, "a name of the form is too long"),
        (b"a%00=1", UnfitError, MALFORMED + "control character in the name of a parameter"),
        (b"a=%zz", UnfitError, MALFORMED + "malformed percent-encoding in the query"),
        (b"a=%ff", UnfitError, MALFORMED + "the query is not UTF-8"),
        (b"a=1&_charset_=utf-7", UnfitError, "the form names a charset other than UTF-8"),
    ],
)
def test_what_is_no_form_or_too_much_of_one(
    content: bytes, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=f"^{reason}$"):
        urlencoded(content, BOUNDS)


def part(disposition: bytes, body: bytes = b"1", *lines: bytes) -> bytes:
    head = b"\r\n".join((b"Content-Disposition: form-data; " + disposition, *lines))
    return b"--B\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


def a_file(name: bytes, body: bytes = b"x", kind: bytes = b"image/png") -> bytes:
    return part(b'name="f"; filename="' + name + b'"', body, b"Content-Type: " + kind)


END = b"--B--"
A = part(b'name="a"')


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (END, []),
        (END + b"\r\n", []),
        (A + END, [("a", "1")]),
        (A + part(b'name="b"', b"") + END, [("a", "1"), ("b", "")]),
        (part(b'name="a"', b"x\r\n-B\r\n") + END, [("a", "x\r\n-B\r\n")]),
        (part(b'name="a"', b"x", b"Content-Type: text/plain; charset=utf-8") + END, [("a", "x")]),
        (part('name="é"'.encode(), "é".encode()) + END, [("é", "é")]),
        (a_file(b"a.png") + END, [("f", None)]),
        (a_file("é.PNG".encode()) + END, [("f", None)]),
        (a_file(b"a%22b.csv", kind=b"text/csv") + END, [("f", None)]),
    ],
)
def test_parts_are_read(content: bytes, fields: list[tuple[str, str | None]]) -> None:
    assert multipart(content, b"B", BOUNDS) == [Field(*field) for field in fields]


NAME = "a file of the form has a name that may lead elsewhere"
HEAD = "a part of the form has a line in its head that is not read"
DISPOSITION = "a part of the form is malformed: Content-Disposition"
INSIDE = "the boundary of the form stands inside of a part"
TYPE = "a file of the form is of a type that is not accepted"

REFUSED = {
    "nothing": (b"", "the form does not begin with its boundary"),
    "a preamble": (b"hello\r\n" + A + END, "the form does not begin with its boundary"),
    "a line break first": (b"\r\n" + A + END, "the form does not begin with its boundary"),
    "no end": (A, "the form is cut short"),
    "cut short": (A[:-2], "the form is cut short"),
    "an epilogue": (A + END + b"\r\nmore", "something follows the last boundary of the form"),
    "a second form": (A + END + b"\r\n" + A + END, INSIDE),
    "blanks behind a boundary": (
        b"--B \r\n" + A[5:] + END,
        "something follows a boundary of the form on its line",
    ),
    "a longer boundary": (
        A + b"--BB\r\n" + A[5:] + END,
        "something follows a boundary of the form on its line",
    ),
    "bare line feeds": (
        A.replace(b"\r\n", b"\n") + END,
        "something follows a boundary of the form on its line",
    ),
    "a boundary behind a line feed": (part(b'name="a"', b"x\n--B\r\n\r\n") + END, INSIDE),
    "a boundary inside of a line": (part(b'name="a"', b"x --B") + END, INSIDE),
    "an end inside of a line": (part(b'name="a"', b"x--B--") + END, INSIDE),
    "no head": (b"--B\r\n\r\n" + END, "a part of the form has no head"),
    "an empty part": (b"--B\r\n" + END, "a part of the form has no head"),
    "a head of kilobytes": (
        part(b'name="a"', b"1", b"Content-Type: text/" + b"x" * 5000) + END,
        "a part of the form has no head",
    ),
    "a head of many lines": (
        part(b'name="a"', b"1", *[b"X: 1"] * 8) + END,
        "a part of the form has too many lines in its head",
    ),
    "no disposition": (b"--B\r\nContent-Type: text/plain\r\n\r\n1\r\n" + END, DISPOSITION),
    "two dispositions": (
        part(b'name="a"', b"1", b'Content-Disposition: form-data; name="b"') + END,
        HEAD,
    ),
    "a disposition in another case": (
        part(b'name="a"', b"1", b"CONTENT-disposition: x") + END,
        HEAD,
    ),
    "a folded line": (part(b'name="a"', b"1", b' ; name="b"') + END, HEAD),
    "a blank before the colon": (part(b'name="a"', b"1", b"Content-Type : text/plain") + END, HEAD),
    "an encoding of its own": (
        part(b'name="a"', b"1", b"Content-Transfer-Encoding: base64") + END,
        HEAD,
    ),
    "another disposition": (A.replace(b"form-data", b"attachment") + END, DISPOSITION),
    "no name": (part(b'filename="a.png"') + END, DISPOSITION),
    "two names": (part(b'name="a"; name="b"') + END, DISPOSITION),
    "a name without quotes": (part(b"name=a") + END, DISPOSITION),
    "a quote in a name": (part(rb'name="a\"b"') + END, DISPOSITION),
    "a name in Latin-1": (part(b'name="\xe9"') + END, "a part of the form is not UTF-8"),
    "a name with a control": (
        part(b'name="a\tb"') + END,
        "a name of the form holds a control character",
    ),
    "a value in Latin-1": (part(b'name="a"', b"\xe9") + END, "a part of the form is not UTF-8"),
    "a value of JSON": (
        part(b'name="a"', b"{}", b"Content-Type: application/json") + END,
        "a value of the form is of a type that is not read",
    ),
    "a value in UTF-7": (
        part(b'name="a"', b"{}", b"Content-Type: text/plain; charset=utf-7") + END,
        "a value of the form is of a type that is not read",
    ),
    "a file name in two ways": (
        part(b'name="f"; filename="a.png"; filename*=UTF-8\'\'b.sh') + END,
        DISPOSITION,
    ),
    "a file above": (a_file(b"../a.png") + END, NAME),
    "a file above, in escapes": (a_file(b"..%2fa.png") + END, NAME),
    "a file above on Windows": (a_file(rb"..\a.png") + END, DISPOSITION),
    "a hidden file": (a_file(b".png") + END, NAME),
    "a file without a name": (a_file(b"") + END, NAME),
    "a file that ends in a dot": (a_file(b"a.png.") + END, NAME),
    "a stream of Windows": (a_file(b"a.sh:a.png") + END, NAME),
    "a NUL in escapes": (a_file(b"a.sh%00.png") + END, NAME),
    "a name that turns around": (a_file("a\u202egnp.png".encode()) + END, NAME),
    "a long file name": (a_file(b"a" * 252 + b".png") + END, NAME),
    "another ending": (
        a_file(b"a.png.sh") + END,
        "a file of the form has a name with another ending",
    ),
    "another type": (a_file(b"a.png", kind=b"text/html") + END, TYPE),
    "a type that is none": (a_file(b"a.png", kind=b"image") + END, TYPE),
    "no type": (part(b'name="f"; filename="a.png"') + END, TYPE),
    "another charset": (
        A + part(b'name="_charset_"', b"utf-7") + END,
        "the form names a charset other than UTF-8",
    ),
}


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_two_readings_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        multipart(content, b"B", BOUNDS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (A * 4 + END, "the form has too many fields"),
        (a_file(b"a.png") * 2 + END, "the form has too many files"),
        (a_file(b"a.png", b"x" * 31) + END, "a file of the form is too large"),
        (part(b'name="a"', b"x" * 21) + END, "a value of the form is too long"),
        (part(b'name="aaaaaaaaaa"') + END, "a name of the form is too long"),
    ],
)
def test_what_is_too_much(content: bytes, reason: str) -> None:
    with pytest.raises(TooMuchError, match=f"^{reason}$"):
        multipart(content, b"B", BOUNDS)


def test_files_of_any_type_and_name_pass_where_nothing_is_said_of_them() -> None:
    content = part(b'name="f"; filename="a.sh"', b"x") + END
    assert multipart(content, b"B", FormBounds(files=1)) == [Field("f", None)]


@given(st.lists(st.sampled_from([A, END, b"--B", b"\r\n", b"\r\n\r\n", b"x", a_file(b"a.png")])))
def test_no_pieces_of_forms_raise_anything_else(pieces: list[bytes]) -> None:
    try:
        fields = multipart(b"".join(pieces), b"B", BOUNDS)
    except (UnfitError, TooMuchError):
        return
    assert b"".join(pieces).count(b"--B\r\n") == len(fields)
