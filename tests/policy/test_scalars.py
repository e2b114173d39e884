"""What plain words mean: YAML 1.2's core schema, and variables."""

import pytest

from sidecar.policy.scalars import fill, typed
from tests.policy.reading import GOOD, loaded, problems_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("false", False),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
    ],
)
def test_a_word_of_the_core_schema_is_typed(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "NO", "yes", "on", "off", "y", "n", "tRUE", "nULL", "none", "None"),
        *("1:30", "190:20:30", "2024-01-01", "2024-01-01T10:00:00Z", "1_000", "0b101", "0o8"),
        *("0X1F", "+0x1F", ".inf", "-.INF", ".nan", ".", "e3", "1e", "1.5.2", "--1", "=", "<<"),
        *("9" * 41, "٣", "1 ", "1\n"),
    ],
)
def test_every_other_word_stays_a_word(text: str) -> None:
    assert typed(text) == text


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        pytest.param("plain", "plain", id="no variable"),
        pytest.param("${A}", "one", id="a variable alone"),
        pytest.param("x${A}y${B}z", "xoneytwoz", id="among text"),
        pytest.param("${A}${A}", "oneone", id="twice"),
        pytest.param("$${A}", "${A}", id="escaped"),
        pytest.param("$$${A}", "$${A}", id="a dollar and an escape"),
        pytest.param("$A $ {A} A$", "$A $ {A} A$", id="no braces"),
        pytest.param("${NESTED}", "${A}", id="a value is not filled in again"),
        pytest.param("${EMPTY}", "", id="an empty value"),
    ],
)
def test_variables_are_filled_in_once(text: str, outcome: str) -> None:
    filled = fill(text, {"A": "one", "B": "two", "NESTED": "${A}", "EMPTY": ""})
    assert (filled.text, filled.wrong) == (outcome, [])


def test_a_variable_may_hold_a_number_a_flag_or_a_word() -> None:
    text = GOOD.replace("true", "${PUBLIC}", 1).replace(
        "{path: /, public: ${PUBLIC}}", "{path: /, public: '${PUBLIC}'}"
    )
    text += 'workers: ${WORKERS}\nmode: "${MODE}"\nlisten: {limits: {body_rate: "${RATE}"}}\n'
    environ = {"PUBLIC": "true", "WORKERS": "3", "MODE": "shadow", "RATE": "0"}
    policy = loaded(text, environ=environ).policy
    assert (policy.workers, policy.mode, policy.listen.limits.body_rate) == (3, "shadow", 0)
    assert policy.routes[0].public


@pytest.mark.parametrize("value", ["three", "", "1.5", "-1", " 3", "٣", "9" * 19, "true"])
def test_a_variable_that_holds_no_number_is_no_number(value: str) -> None:
    (problem,) = problems_of(GOOD + "workers: ${N}\n", environ={"N": value})
    assert (problem.line, problem.column, problem.path) == (4, 10, "workers")


def test_a_variable_never_adds_structure() -> None:
    value = "x\nmode: shadow\nroutes: []"
    (problem,) = problems_of(GOOD + "headers: {set: {X-A: '${V}'}}\n", environ={"V": value})
    assert problem.path == "headers.set.X-A"
    assert loaded(GOOD + "extends: try # ${NOT_READ}\n").policy.mode == "enforce"


def test_a_value_in_quotes_is_text() -> None:
    policy = loaded(GOOD + "headers: {set: {X-A: '1', X-B: \"true\", X-C: no, X-D: 1:30}}\n").policy
    assert policy.headers.set == {"X-A": "1", "X-B": "true", "X-C": "no", "X-D": "1:30"}
