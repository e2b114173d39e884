"""Whatever a file holds, the outcome is a policy or its problems."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policy.schema.policy import Policy
from tests.policy.reading import GOOD, problems_of

EXAMPLE = Path("config/sidecar.yaml").read_text(encoding="utf-8")
WORDS = sorted(
    {
        *Policy.model_fields,
        *("url", "path", "public", "set", "hsts", "sinks", "file", "tokens", "max", "html"),
        *("[key]", "<file>", "<<", "{a}", "/**", "/a", "http://x", "1MB", "5s", "GET", "web"),
        *("stdout", "NOT_FOUND", "0.0.0.0:80", "10.0.0.0/8", "${A}", "$${A}", "${", "env:A"),
    }
)
FRAGMENTS = st.sampled_from(
    [
        *WORDS,
        "\n",
        "\n  ",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "'",
        '"',
        "#",
        "|",
        "? ",
        "!",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=16,
)


def flow(value: object) -> str:
    """Write a value in YAML's flow style, strings quoted half of the time."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "~" if value is None else str(value).lower()


def judged(text: str | bytes) -> None:
    problems = problems_of(text, environ={"A": "1"})
    for problem in problems:
        assert problem.line >= 0
        assert problem.message
        assert problem.hint
        assert len(str(problem).splitlines()) == 1


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    judged(content)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    judged(text)


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_sequence_of_fragments(text: str) -> None:
    judged(text)


@given(VALUES)
def test_any_structure(value: object) -> None:
    judged(flow(value))


@given(st.dictionaries(st.sampled_from(sorted(Policy.model_fields)), VALUES, max_size=5))
def test_any_structure_below_the_known_keys(value: object) -> None:
    judged(flow(value))


@given(
    st.sampled_from(sorted(set(Policy.model_fields) - {"version", "upstream", "routes"})), VALUES
)
def test_any_structure_in_a_good_policy(name: str, value: object) -> None:
    judged(f"{GOOD}{name}: {flow(value)}\n")


@given(
    st.integers(min_value=0, max_value=len(EXAMPLE)),
    st.integers(min_value=0, max_value=40),
    st.one_of(FRAGMENTS, st.text(max_size=6)),
)
def test_any_change_to_the_example(start: int, length: int, replacement: str) -> None:
    judged(EXAMPLE[:start] + replacement + EXAMPLE[start + length :])
