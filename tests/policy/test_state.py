"""Where the state is kept: three kinds of store, and nothing that looks like one."""

import pytest

from sidecar.policy.schema.state import State
from tests.policy.reading import GOOD, loaded, problems_of


def store_of(written: str, environ: dict[str, str] | None = None) -> State:
    return loaded(GOOD + f"state: {written}\n", environ=environ).policy.state


@pytest.mark.parametrize(
    ("written", "store"),
    [
        pytest.param("memory", "memory", id="memory"),
        pytest.param("'sqlite:state.db'", "sqlite:state.db", id="a file beside the policy"),
        pytest.param("'sqlite:/var/lib/s.db'", "sqlite:/var/lib/s.db", id="an absolute file"),
        pytest.param("'sqlite:${FOLDER}/s.db'", "sqlite:/srv/s.db", id="a folder filled in"),
        pytest.param("redis://redis:6379/0", "redis://redis:6379/0", id="Redis"),
        pytest.param(
            "{store: 'rediss://a:1,b:2', topology: sentinel}",
            "rediss://a:1,b:2",
            id="several, over TLS",
        ),
        pytest.param("'sqlite:'", "sqlite:", id="the file of the user"),
        pytest.param("{store: memory}", "memory", id="a mapping"),
    ],
)
def test_a_store_has_one_of_three_kinds(written: str, store: str) -> None:
    assert store_of(written, {"FOLDER": "/srv"}).store == store


def test_a_store_may_be_given_as_text_without_a_file() -> None:
    assert State.model_validate("sqlite:state.db").store == "sqlite:state.db"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param("redis://user:hunter2@redis:6379", "holds credentials", id="a password"),
        pytest.param("postgres://db", "is no state store", id="another kind"),
        pytest.param("[memory]", "is no state store", id="a list"),
    ],
)
def test_what_is_no_store_is_told(written: str, message: str) -> None:
    (problem,) = problems_of(GOOD + f"state: {written}\n")
    assert message in problem.message
    assert "hunter2" not in str(problem)
