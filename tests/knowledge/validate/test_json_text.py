"""JSON has one meaning, or is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.validate.json_text import Bounds, UnfitError, count_of, read_json

TWICE = "an object of the JSON has a member twice"
DEEP = "the JSON is nested too deep"
NO_JSON = "the body is no JSON"
WIDE = "a number of the JSON has more than 64 bits"
LONG = "a number of the JSON is too long"
BEYOND = "a number of the JSON is beyond a double"
LONE = "a string of the JSON holds a lone surrogate"
NO_UTF_8 = "the JSON is not UTF-8"

REFUSED = {
    "a member twice": (b'{"a":1,"a":1}', TWICE),
    "a member twice, once in escapes": (rb'{"a":1,"\u0061":2}', TWICE),
    "a member twice, deep inside": (b'[[{"b":{"a":1,"c":2,"a":3}}]]', TWICE),
    "an empty name twice": (b'{"":1,"":2}', TWICE),
    "a name twice with a NUL": (rb'{"\u0000":1,"\u0000":2}', TWICE),
    "NaN": (b"[NaN]", "the body is no JSON: NaN and Infinity are no numbers"),
    "Infinity": (b"[-Infinity]", "the body is no JSON: NaN and Infinity are no numbers"),
    "beyond a double": (b"[1e400]", BEYOND),
    "below a double": (b"[-1e+400]", BEYOND),
    "beyond a double by digits": (b"[" + b"9" * 60 + b"e270]", BEYOND),
    "one bit too many": (b"[18446744073709551616]", WIDE),
    "one bit too many, below zero": (b"[-18446744073709551616]", WIDE),
    "a number of 65 characters": (b"[0." + b"1" * 63 + b"]", LONG),
    "a number of thousands": (b"[" + b"1" * 4000 + b"]", LONG),
    "a number that nobody can read": (b"[" + b"1" * 5000 + b"]", LONG),
    "an exponent of hundreds": (b"[1e" + b"0" * 70 + b"1]", LONG),
    "a lone surrogate": (rb'["\ud800"]', LONE),
    "a low surrogate first": (rb'["\udc00\ud800"]', LONE),
    "a lone surrogate in a name": (rb'{"a":[{"\uDBFF":1}]}', LONE),
    "a surrogate in bytes": (b'["\xed\xa0\x80"]', NO_UTF_8),
    "a slash in two bytes": (b'["\xc0\xaf"]', NO_UTF_8),
    "Latin-1": (b'["\xe9"]', NO_UTF_8),
    "UTF-16": ("[1]".encode("utf-16"), NO_UTF_8),
    "UTF-16 without a mark": ("[1]".encode("utf-16-le"), NO_JSON),
    "UTF-32": ("[1]".encode("utf-32-be"), NO_JSON),
    "a byte order mark": (b"\xef\xbb\xbf[1]", "the JSON begins with a byte order mark"),
    "UTF-7": (b"+AFs-1+AF0-", NO_JSON),
    "a comment": (b"[1] // one", NO_JSON),
    "a comma too many": (b"[1,]", NO_JSON),
    "single quotes": (b"{'a':1}", NO_JSON),
    "a name without quotes": (b"{a:1}", NO_JSON),
    "two documents": (b"[1][2]", NO_JSON),
    "lines of documents": (b'{"a":1}\n{"a":2}', NO_JSON),
    "a NUL behind": (b"[1]\x00", NO_JSON),
    "a form feed": (b"\x0c[1]", NO_JSON),
    "a blank of Unicode": (b"\xc2\xa0[1]", NO_JSON),
    "a control character": (b'["\x01"]', NO_JSON),
    "a line break in a string": (b'["a\nb"]', NO_JSON),
    "an unknown escape": (rb'["\x41"]', NO_JSON),
    "a leading zero": (b"[01]", NO_JSON),
    "a leading plus": (b"[+1]", NO_JSON),
    "a hexadecimal number": (b"[0x10]", NO_JSON),
    "digits of another script": ("[\u0661]".encode(), NO_JSON),
    "cut short": (b'{"a":[1,2', NO_JSON),
    "nothing": (b"", NO_JSON),
    "blanks": (b" \n", NO_JSON),
    "deep": (b"[" * 33 + b"]" * 33, DEEP),
    "deep in objects": (b'{"a":' * 33 + b"1" + b"}" * 33, DEEP),
    "deep, objects and lists in turn": (b'[{"a":' * 17 + b"1" + b"}]" * 17, DEEP),
    "deep behind brackets in strings": (b'["]",' * 33 + b"1" + b',"["]' * 33, DEEP),
    "deep behind braces in names": (b'{"}":' * 33 + b"1" + b"}" * 33, DEEP),
    "deep behind escaped quotes": (rb'["\"]\"",' * 33 + b"1" + rb',"\"[\""]' * 33, DEEP),
    "deep behind empty strings": (b'["","",' * 33 + b'""' + b"]" * 33, DEEP),
    "deep enough to break readers": (b"[" * 200_000, DEEP),
}


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_has_two_meanings_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        read_json(content, Bounds())


ACCEPTED = {
    "64 bits": b"[18446744073709551615, -9223372036854775808]",
    "digits in strings": b'["' + b"7" * 500 + b'", "1e400"]',
    "a number of 64 characters": b"[0." + b"1" * 62 + b"]",
    "small beyond a double": b"[1e-400, 1E+300]",
    "a pair of surrogates": rb'["\ud83d\ude00", "\\ud800"]',
    "a NUL in escapes": rb'["\u0000"]',
    "what is twice in two objects": b'[{"a":1},{"a":2}]',
    "as deep as may be": b"[" * 32 + b"]" * 32,
    "as deep as may be, and wider": b"[[]," + b"[" * 31 + b"]" * 32,
    "brackets in strings": b'["' + b"[" * 40 + b'",{"' + b"{" * 40 + b'":"]"}]',
    "brackets behind escaped quotes": rb'["\"' + b"[" * 40 + rb'", "\\", "["]',
    "as deep as may be, objects and lists in turn": b'[{"a":' * 16 + b'""' + b"}]" * 16,
    "wide": b"[" + b"[]," * 100 + b"{}]",
    "a single value": b" null\r\n",
    "names with marks": '{"é":"\ufeff"}'.encode(),
}


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED)
def test_what_has_one_meaning_is_read_as_others_read_it(content: bytes) -> None:
    assert read_json(content, Bounds()) == json.loads(content)


@pytest.mark.parametrize("content", [b'["12345"]', b'{"12345":1}', b'[[{"a":["12345"]}]]'])
def test_strings_and_names_have_a_bound_where_it_is_given(content: bytes) -> None:
    assert read_json(content, Bounds(string=5)) == json.loads(content)
    with pytest.raises(UnfitError, match="a string of the JSON is too long"):
        read_json(content, Bounds(string=4))


@pytest.mark.parametrize(("value", "count"), [(1, 1), ([], 1), ([1, [2, {"a": [3]}]], 7)])
def test_values_are_counted_wherever_they_stand(value: object, count: int) -> None:
    assert count_of(value) == count


_TEXT = st.text(st.sampled_from('[]{}"\\\\a,:'), max_size=4)
_DOCUMENTS = st.recursive(
    _TEXT | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    is_node = isinstance(value, (dict, list))
    return is_node + max(map(depth_of, inner), default=0)


@given(_DOCUMENTS, st.integers(1, 5))
def test_a_document_is_refused_if_it_is_nested_deeper_than_it_may(value: object, most: int) -> None:
    content = json.dumps(value).encode()
    if depth_of(value) > most:
        with pytest.raises(UnfitError, match=DEEP):
            read_json(content, Bounds(depth=most))
    else:
        assert read_json(content, Bounds(depth=most)) == value


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    try:
        value = read_json(content, Bounds(depth=4, string=20))
    except UnfitError:
        return
    assert value == json.loads(content)
