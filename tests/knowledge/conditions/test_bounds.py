"""What a condition may say is bounded before it runs; each bound refuses."""

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.conditions.bounds import ConditionError, Reading, read
from sidecar.knowledge.conditions.compile import Condition, compile_condition

pytestmark = pytest.mark.control("AZ-6")
WORDS = [
    "caller", ".", "roles", "request", "method", "now", "x", "all", "exists", "exists_one", "map",
    "filter", "matches", "(", ")", "[", "]", "{", "}", ",", "+", "-", "!", "&&", "||", "==", "in",
    "?", ":", "'a'", "r'b\\'", '"', "'", "'''", "1", "0x1", "1.5", "true", "null", "//", " ",
    "\n", "b'", "`", "@", "has", "size", "\\", "é",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("'" + "a" * 990 + "' == ''    ", "longer than 1 kB", id="over 1 kB"),
        pytest.param("'" + "é" * 500 + "' == ''", "longer than 1 kB", id="over 1 kB in bytes"),
        pytest.param("principal.roles == []", "names principal", id="a name that is no fact"),
        pytest.param("os.environ", "names os", id="a global"),
        pytest.param("__import__('os')", "calls __import__", id="a function of Python"),
        pytest.param("caller.password == ''", "no field of caller", id="a field that is no fact"),
        pytest.param("caller['roles'] == []", "no field of caller", id="a field by index"),
        pytest.param("caller == null", "no field of caller", id="a fact as a whole"),
        pytest.param("Request.method == 'GET'", "names Request", id="case"),
        pytest.param("type(1) == int", "calls type", id="types"),
        pytest.param("caller.roles.all(x, caller.roles.all(y, x == y))", "macro inside a macro",
                     id="all in all"),
        pytest.param("caller.roles.exists(x, caller.scopes . exists_one\n(y, x == y))",
                     "macro inside a macro", id="spread over lines"),
        pytest.param("caller.roles.all(x, (true && [1].exists(y, y == 1)))",
                     "macro inside a macro", id="deep inside"),
        pytest.param("caller.roles.map(x, x) == []", "calls map", id="map"),
        pytest.param("caller.roles.filter(x, true) == []", "calls filter", id="filter"),
        pytest.param("caller.roles.existsOne(x, true)", "calls existsOne", id="another spelling"),
        pytest.param("request.path.matches('a')", "calls matches", id="a pattern"),
        pytest.param("cel.bind(x, 1, x == 1)", "names cel", id="cel.bind"),
        pytest.param("optional.none().hasValue()", "names optional", id="optional"),
        pytest.param("caller.claims.?a == []", "dot without names", id="optional selection"),
        pytest.param(f"1 in [{', '.join(['1'] * 101)}]", "list of over 100", id="101 items"),
        pytest.param("1 in {" + ", ".join(f"{i}: 1" for i in range(101)) + "}",
                     "list of over 100", id="101 entries"),
        pytest.param("caller.roles.all(x)", None, id="a macro without a body"),
        pytest.param("caller.roles.all(now, true)", "variable of its own", id="a fact for it"),
        pytest.param("caller.roles.all(true, true)", "variable of its own", id="a word for it"),
        pytest.param("caller.roles.all(1, true)", "variable of its own", id="a number for it"),
        pytest.param("caller.roles.all(x.y, true)", "variable of its own", id="a member"),
        pytest.param("caller.roles.all()", "variable of its own", id="no arguments"),
        pytest.param("caller.roles.all(x, true) && x == ''", "names x", id="outside its macro"),
        pytest.param("all(x, true)", "is read in two ways", id="a macro of nothing"),
        pytest.param("(" * 33 + "true" + ")" * 33, "over 32 deep", id="brackets"),
        pytest.param("true // comment", "cannot be read", id="a comment"),
        pytest.param("'''a''' == ''", "cannot be read", id="triple quotes"),
        pytest.param('"""a""" == ""', "cannot be read", id="triple double quotes"),
        pytest.param("b'a' == b'a'", "string of a kind", id="bytes"),
        pytest.param("br'a' == b'a'", "string of a kind", id="raw bytes"),
        pytest.param("R'a' == ''", "string of a kind", id="a capital for raw"),
        pytest.param("r'\\' == ''", "cannot be read", id="a backslash before the quote"),
        pytest.param("'a\nb' == ''", "cannot be read", id="a line break in a string"),
        pytest.param("'open", "cannot be read", id="an open string"),
        pytest.param("`a` == 1", "cannot be read", id="a quoted name"),
        pytest.param("request.method = 'GET'", "cannot be read", id="an assignment"),
        pytest.param("now; now", "cannot be read", id="two expressions"),
        pytest.param("request\u00a0.method == ''", "cannot be read", id="a blank of another kind"),
        pytest.param("r\u0435quest.method == ''", None, id="a Cyrillic letter"),
        pytest.param("request{method: 1}", "names no field", id="a message"),
        pytest.param("caller.claims{a: 1}", "makes a message", id="a message of a field"),
        pytest.param(".request.method == ''", "dot without names", id="a leading dot"),
        pytest.param("true)", "too many", id="a bracket too many"),
        pytest.param("[true)", "too many", id="brackets crossed"),
        pytest.param("(true", "no expression in CEL", id="an open bracket"),
        pytest.param("", "no expression in CEL", id="nothing"),
        pytest.param("true true", "no expression in CEL", id="no operator"),
        pytest.param("'\\q' == ''", "no expression in CEL", id="an escape that is none"),
    ],
)  # fmt: skip
def test_a_condition_beyond_the_bounds_is_refused_at_load(text: str, message: str | None) -> None:
    with pytest.raises(ConditionError, match=message) as caught:
        compile_condition(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "'" + "a" * 980 + "' == ''",
        f"1 in [{', '.join(['1'] * 100)}]",
        "(" * 8 + "true" + ")" * 8,
        "caller.roles.all(x, x == 'a') && caller.scopes.exists(x, x == 'b')",
        "caller.roles.exists_one(x, x in caller.scopes)",
        "caller.roles.all(x, has(caller.claims.plan) && caller.claims.plan[0] == x)",
        "'map(' in caller.roles || \"all(x, all(y\" in caller.roles",
        "'a\\'b' == r'a' || r'\\\\' == \"\"",
        "request.headers['x-a'].startsWith('b') ? true : false",
        "now.getHours() >= 8 && now < timestamp('2100-01-01T00:00:00Z')",
        "size(caller.roles) + 1 > 0x10 || -1.5e3 < 2.0 || 3 % 2 == 1",
        "{'a': 1}['a'] == 1 && [[1], []][0] == [1]",
        "tenant.attributes.region in['eu']",
    ],
)
def test_a_condition_within_the_bounds_is_compiled(text: str) -> None:
    assert isinstance(compile_condition(text), Condition)


def test_what_is_read_is_counted() -> None:
    text = "caller.roles + [1, 2] == [] || caller.scopes.all(x, x in caller.roles) || now == now"
    needs = (("caller", "roles"), ("caller", "scopes"), ("now", ""))
    found = read(text)
    assert found == Reading(needs, frozenset({"x"}), 4, 1, 1, 3)
    assert found.cost_of(10) == (4 + 1 * 26 + 1) * 26


@pytest.mark.parametrize("package", ["absent", "json", "json.decoder"])
def test_without_the_library_the_extra_is_named(package: str) -> None:
    spec = None if package == "absent" else find_spec(package)
    with pytest.raises(ConditionError, match="is not installed") as caught:
        compile_condition("true", lambda _: spec)
    assert "tenant-sidecar[conditions]" in caught.value.hint


def is_judged(text: str) -> bool:
    """Tell whether a text is compiled, or refused with a hint; anything else is a bug."""
    try:
        return isinstance(compile_condition(text), Condition)
    except ConditionError as error:
        return bool(error.hint)


@given(st.lists(st.sampled_from(WORDS), max_size=24))
def test_any_words_are_compiled_or_refused(words: list[str]) -> None:
    assert is_judged("".join(words))


@given(st.text(max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    assert is_judged(text)
