"""Templates: their grammar, which of two is more specific, and when two are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.template import Kind, Segment, Template, literal, parse_host, parse_path

LITERAL = Kind.LITERAL
ONE = Kind.ONE
REST = Kind.REST


def a_template(path: str, host: str | None = None) -> Template:
    return Template(host, parse_path(path), path)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ()),
        ("/a", ((LITERAL, "a"),)),
        ("/a/", ((LITERAL, "a"),)),
        ("/a/b.c", ((LITERAL, "a"), (LITERAL, "b.c"))),
        ("/{a}", ((ONE, "a"),)),
        ("/*/{b_1}", ((ONE, ""), (ONE, "b_1"))),
        ("/**", ((REST, ""),)),
        ("/a/**/", ((LITERAL, "a"), (REST, ""))),
        ("/ä/~x", ((LITERAL, "ä"), (LITERAL, "~x"))),
        ("/...", ((LITERAL, "..."),)),
        ("/a:b@c", ((LITERAL, "a:b@c"),)),
    ],
)
def test_a_path_is_parsed_segment_by_segment(
    path: str, segments: tuple[tuple[Kind, str], ...]
) -> None:
    assert parse_path(path) == tuple(Segment(kind, text) for kind, text in segments)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "begins with /"),
        ("a", "begins with /"),
        ("//", "no empty segment"),
        ("/a//b", "no empty segment"),
        ("/a/./b", "no empty segment"),
        ("/..", "no empty segment"),
        ("/**/a", "only be the last"),
        ("/***", r"'\*' cannot stand"),
        ("/a*", r"'\*' cannot stand"),
        ("/{a", "'{' cannot stand"),
        ("/{a}b", "'{' cannot stand"),
        ("/a}", "'}' cannot stand"),
        ("/{}", "is not {name}"),
        ("/{1a}", "is not {name}"),
        ("/{a-b}", "is not {name}"),
        ("/{a}/{a}", "bound twice"),
        ("/a b", "' ' cannot stand"),
        ("/a\tb", "cannot stand"),
        ("/a\x00", "cannot stand"),
        ("/a\\b", "cannot stand"),
        ("/a;b", "';' cannot stand"),
        ("/a?b", r"'\?' cannot stand"),
        ("/a#b", "'#' cannot stand"),
        ("/a%2Fb", "'%' cannot stand"),
    ],
)
def test_a_path_that_has_two_readings_is_no_template(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_path(path)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.com", "api.example.com"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("a_b.c-d", "a_b.c-d"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_a_host_is_a_name_a_wildcard_or_an_address(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "a.*.b",
        "**.a",
        ".a",
        "a.",
        "a..b",
        "-a",
        "a-",
        "a:80",
        "http://a",
        "a/b",
        "::1",
        "[a]b",
        "ä.b",
        "a b",
        "a\n",
    ],
)
def test_nothing_else_is_a_host(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host name"):
        parse_host(text)


def test_the_most_specific_template_comes_first() -> None:
    ordered = [
        a_template("/a/b", "api.example.com"),
        a_template("/**", "api.example.com"),
        a_template("/a", "*.eu.example.com"),
        a_template("/a", "*.example.com"),
        a_template("/"),
        a_template("/a/b/c"),
        a_template("/a/b"),
        a_template("/a/{x}/c"),
        a_template("/a/{x}"),
        a_template("/a/**"),
        a_template("/a"),
        a_template("/*/b"),
        a_template("/{x}"),
        a_template("/**"),
    ]
    shuffled = ordered[::-1]
    assert sorted(shuffled, key=lambda t: t.order)[:4] == ordered[:4]
    position = {str(t): i for i, t in enumerate(sorted(ordered, key=lambda t: t.order))}
    for more, less in [
        ("/a/b", "/a/{x}"),
        ("/a/{x}", "/a/**"),
        ("/a/b/c", "/a/{x}/c"),
        ("/a", "/a/**"),
        ("/", "/**"),
        ("/*/b", "/**"),
        ("/{x}", "/**"),
        ("/a/**", "/{x}"),
    ]:
        assert position[more] < position[less], (more, less)


def test_templates_of_one_shape_match_the_same_requests() -> None:
    assert a_template("/a/{x}").shape == a_template("/a/*/").shape
    assert a_template("/a").shape != a_template("/A").shape
    assert a_template("/a").shape != a_template("/a/**").shape
    assert a_template("/a", "b").shape != a_template("/a").shape


def test_a_template_reads_as_the_policy_writes_it() -> None:
    assert str(a_template("/a/{x}/", "b.c")) == "b.c/a/{x}/"
    assert str(a_template("/**")) == "/**"


def test_a_template_names_what_it_binds() -> None:
    assert a_template("/{a}/*/b/{c}/**").names == ("a", "c")


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        segments = parse_path(text)
    except ValueError:
        return
    written = "/" + "/".join(
        {LITERAL: s.text, ONE: f"{{{s.text}}}" if s.text else "*", REST: "**"}[s.kind]
        for s in segments
    )
    assert parse_path(written) == segments


@given(st.text(alphabet="aA.-_*[]:0", max_size=12))
def test_parsing_a_host_twice_is_parsing_it_once(text: str) -> None:
    try:
        host = parse_host(text)
    except ValueError:
        return
    assert parse_host(host) == host


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ((), "/"),
        (("a", "b"), "/a/b"),
        (("ä",), "/ä"),
        # What would stand for others, what no template can say, and what is another path.
        (("{x}",), None),
        (("*",), None),
        (("**",), None),
        (("a{b",), None),
        (("a b",), None),
        (("a/b",), None),
        (("a", ""), None),
    ],
)
def test_a_path_is_named_by_a_template_of_its_own_or_none(
    segments: tuple[str, ...], text: str | None
) -> None:
    assert literal(segments) == text
