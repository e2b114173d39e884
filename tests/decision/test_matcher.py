"""Which route a request belongs to: the most specific, whatever the order, at a bounded cost."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.decision.matcher import Matcher
from sidecar.model.template import Kind, Template, parse_path


def a_template(text: str) -> Template:
    """Read `/path` or `host/path`."""
    host, slash, path = text.partition("/")
    return Template(host or None, parse_path(slash + path), slash + path)


def matcher(*texts: str) -> Matcher[str]:
    return Matcher((a_template(text), text) for text in texts)


def split(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/")) if path.strip("/") else ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/", "/", id="the root"),
        pytest.param("/orders", "/orders", id="a literal"),
        pytest.param("/orders/", "/orders", id="a literal with a slash at the end"),
        pytest.param("/orders/7", "/orders/{id}", id="a name"),
        pytest.param("/orders/new", "/orders/new", id="a literal before a name"),
        pytest.param("/orders/7/lines", "/orders/{id}/lines", id="a name inside"),
        pytest.param("/orders/new/lines", "/orders/{id}/lines", id="a literal that leads nowhere"),
        pytest.param("/orders/new/lines/3", "/orders/**", id="back to the rest"),
        pytest.param("/orders/7/files/a/b", "/orders/{id}/files/**", id="the rest of a name"),
        pytest.param("/orders/7/files", "/orders/{id}/files/**", id="a rest of nothing"),
        pytest.param("/health", "/*", id="a star"),
        pytest.param("/health/live", "/**", id="the rest of everything"),
        pytest.param("/static", "/static", id="a literal before its own rest"),
        pytest.param("/static/a", "/static/**", id="the rest of a literal"),
    ],
)
def test_the_most_specific_template_wins(path: str, found: str) -> None:
    texts = (
        "/", "/**", "/*", "/orders", "/orders/**", "/orders/{id}", "/orders/new",
        "/orders/{id}/lines", "/orders/{id}/files/**", "/static", "/static/**",
    )  # fmt: skip
    assert matcher(*texts).find(b"a.example", split(path)) == found
    assert matcher(*reversed(texts)).find(b"a.example", split(path)) == found


@pytest.mark.parametrize("path", ["/", "/orders", "/orders/7/8", "/x/7"])
def test_what_no_template_names_is_found_nowhere(path: str) -> None:
    assert matcher("/orders/{id}").find(b"a.example", split(path)) is None


@pytest.mark.parametrize(
    ("host", "found"),
    [
        pytest.param(b"api.example.com", "api.example.com/**", id="the exact name"),
        pytest.param(b"api.example.com:8080", "api.example.com/**", id="with a port"),
        pytest.param(b"api.example.com.", "api.example.com/**", id="with the dot of the root"),
        pytest.param(b"api.example.com.:80", "api.example.com/**", id="with both"),
        pytest.param(b"www.example.com", "*.example.com/**", id="a name below"),
        pytest.param(b"a.b.example.com", "*.example.com/**", id="a name far below"),
        pytest.param(b"a.eu.example.com", "*.eu.example.com/**", id="the longer wildcard"),
        pytest.param(b"eu.example.com", "*.example.com/**", id="a wildcard is not its own domain"),
        pytest.param(b"example.com", "/**", id="nor the domain itself"),
        pytest.param(b"badexample.com", "/**", id="nor a longer label"),
        pytest.param(b"[2001:db8::1]", "[2001:db8::1]/**", id="an IPv6 address"),
        pytest.param(b"[2001:db8::1]:443", "[2001:db8::1]/**", id="an IPv6 address with a port"),
        pytest.param(b"[2001:db8::2]", "/**", id="another address"),
        pytest.param(b"192.0.2.1:80", "/**", id="an IPv4 address"),
        pytest.param(None, "/**", id="no host at all"),
    ],
)
def test_the_exact_host_wins_then_the_longest_wildcard(host: bytes | None, found: str) -> None:
    one = matcher(
        "/**",
        "api.example.com/**",
        "*.example.com/**",
        "*.eu.example.com/**",
        "[2001:db8::1]/**",
    )
    assert one.find(host, ("a",)) == found
    assert one.find(host, ("a",)) == found


def test_a_host_without_the_path_leaves_it_to_the_next() -> None:
    one = matcher("api.example.com/a", "*.example.com/b", "/c")
    assert [one.find(b"api.example.com", (path,)) for path in "abcd"] == [
        "api.example.com/a", "*.example.com/b", "/c", None,
    ]  # fmt: skip


def test_without_a_template_for_all_hosts_a_stranger_finds_nothing() -> None:
    one = matcher("api.example.com/**")
    assert one.find(b"other.example", ("a",)) is None
    assert one.find(None, ("a",)) is None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        pytest.param("/admin/users", "/admin/**", id="as the template has it"),
        pytest.param("/Admin/users", None, id="a capital"),
        pytest.param("/ADMIN/users", None, id="capitals"),
        pytest.param("/ADMIN", None, id="a rest of nothing"),
        pytest.param("/Docs/API", "/Docs/{page}", id="a template in capitals"),
        pytest.param("/docs/API", None, id="the same in small letters"),
        pytest.param("/docs/readme", None, id="a literal in another case"),
        pytest.param("/Docs/readme", None, id="a literal below in small letters"),
        pytest.param("/Docs/README", "/Docs/README", id="both as they are"),
        pytest.param("/Other/Path", "/**", id="nothing of the kind"),
        pytest.param("/\u212aelvin", None, id="a sign whose small letter is k"),
    ],
)
def test_a_path_that_another_case_would_give_to_a_more_specific_template_is_nobody_s(
    path: str, found: str | None
) -> None:
    one = matcher("/**", "/admin/**", "/Docs/{page}", "/Docs/README", "/kelvin")
    assert one.find(b"a.example", split(path)) == found


def test_the_case_shadow_of_a_host_hides_the_templates_of_all_hosts() -> None:
    one = matcher("api.example.com/admin", "/**")
    assert one.find(b"api.example.com", ("ADMIN",)) is None
    assert one.find(b"www.example.com", ("ADMIN",)) == "/**"


def test_twenty_thousand_templates_are_compiled_and_searched_quickly() -> None:
    texts = [f"/tenants/t{i}/{{id}}/part{i % 7}/**" for i in range(20_000)]
    start = perf_counter()
    one = matcher(*texts)
    built = perf_counter()
    for i in range(0, 20_000, 10):
        assert one.find(b"a.example", ("tenants", f"t{i}", "9", f"part{i % 7}", "x")) == texts[i]
    searched = perf_counter()
    # Tenfold what a slow machine needs: a cost that grows with the number would be a thousandfold.
    assert built - start < 5
    assert searched - built < 1


@pytest.mark.parametrize("depth", [5, 4000])
def test_a_deep_path_needs_no_deep_search(depth: int) -> None:
    assert matcher("/a/**").find(b"a.example", ("a",) * depth) == "/a/**"


_SEGMENTS = st.sampled_from(("a", "A", "b", "c", "{x}", "*"))
_TEMPLATES = st.lists(
    st.builds(
        lambda host, parts, rest: host + "/" + "/".join((*parts, *(("**",) if rest else ()))),
        st.sampled_from(("", "", "h.example", "*.example", "*.h.example")),
        st.lists(_SEGMENTS, max_size=4).filter(lambda parts: parts.count("{x}") < 2),
        st.booleans(),
    ),
    max_size=12,
)
_HOSTS = st.sampled_from((None, b"h.example", b"x.h.example", b"y.example", b"other"))


def naive(templates: list[Template], host: bytes | None, path: tuple[str, ...]) -> Template | None:
    """Judge every template by the words of the manual: the slow twin of the matcher."""
    for candidate_host in (None,) if host is None else hosts_for(host.decode()):
        of_host = [template for template in templates if template.host == candidate_host]
        exact = best([t for t in of_host if matches(t, path)])
        folded = best_shapes([t for t in of_host if matches(t, path, is_folded=True)])
        if folded and not any(exact is one for one in folded):
            return None
        if exact is not None:
            return exact
    return None


def hosts_for(host: str) -> list[str | None]:
    labels = host.split(".")
    return [host, *("*." + ".".join(labels[at:]) for at in range(1, len(labels))), None]


def matches(template: Template, path: tuple[str, ...], *, is_folded: bool = False) -> bool:
    segments = template.segments
    if segments and segments[-1].kind is Kind.REST:
        segments, path = segments[:-1], path[: len(segments) - 1]
    if len(segments) != len(path):
        return False
    pairs = [(s.text, p) for s, p in zip(segments, path, strict=True) if s.kind is Kind.LITERAL]
    if is_folded:
        pairs = [(text.lower(), part.lower()) for text, part in pairs]
    return all(text == part for text, part in pairs)


def rank(template: Template) -> tuple[int, ...]:
    # A template that ends ranks before one whose rest is empty there.
    return (*(int(segment.kind) for segment in template.segments), -1)


def best(found: list[Template]) -> Template | None:
    return min(found, key=rank, default=None)


def best_shapes(found: list[Template]) -> list[Template]:
    least = min(map(rank, found), default=None)
    return [template for template in found if rank(template) == least]


@given(_TEMPLATES, _HOSTS, st.lists(st.sampled_from(("a", "A", "b", "c", "d")), max_size=5))
def test_the_matcher_agrees_with_a_naive_one(
    texts: list[str], host: bytes | None, parts: list[str]
) -> None:
    by_shape = {a_template(text).shape: a_template(text) for text in texts}
    templates = list(by_shape.values())
    one = Matcher((template, template) for template in templates)
    assert one.find(host, tuple(parts)) is naive(templates, host, tuple(parts))
