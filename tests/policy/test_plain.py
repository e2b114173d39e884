"""Sections that only hold values answer as pydantic's do."""

import pickle
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic import Field as RealField

from sidecar.policy.schema.plain import Field, PydanticCustomError, Values, model_validator

# As the type checker sees pydantic's: of any type.
a_field: Callable[..., Any] = Field


class Inner(Values):
    size: Annotated[int, Field(ge=1)] = 3


class Outer(Values):
    name: str
    inner: Inner = Inner()
    tags: dict[str, str] = a_field(default_factory=dict)
    needed: Annotated[str, "why"] = a_field(min_length=1)
    limit: int | None = None

    @model_validator(mode="after")
    def _judged(self) -> "Outer":
        raise AssertionError("nobody judges here")


def outer(**more: object) -> Outer:
    return Outer(name="n", needed="x", **more)


def test_defaults_are_there_and_made_anew_where_they_can_change() -> None:
    one, other = outer(), outer()
    assert one.model_dump() == {
        "name": "n",
        "inner": Inner(size=3),
        "tags": {},
        "needed": "x",
        "limit": None,
    }
    assert one.tags is not other.tags
    assert one.model_dump(exclude_none=True).keys() == {"name", "inner", "tags", "needed"}


def test_what_was_written_is_known() -> None:
    assert outer(limit=None).model_fields_set == {"name", "needed", "limit"}
    copy = outer().model_copy(update={"tags": {"a": "b"}})
    assert copy.tags == {"a": "b"}
    assert copy.model_fields_set == {"name", "needed", "tags"}


@pytest.mark.parametrize(
    "values", [{}, {"name": "n"}, {"name": "n", "needed": "x", "other": 1}], ids=len
)
def test_what_is_missing_or_unknown_is_a_mistake_of_our_own_code(values: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"Outer (needs|has no)"):
        Outer(**values)


def test_a_section_is_frozen() -> None:
    section = outer()
    with pytest.raises(AttributeError, match="frozen: limit stays"):
        section.limit = 1
    assert section.limit is None


def test_sections_are_equal_by_kind_and_values() -> None:
    assert Inner() == Inner(size=3)
    assert Inner() != Inner(size=4)
    assert Inner() != 3
    assert len({Inner(), Inner(size=3), Inner(size=4)}) == 2


class Pydantic(BaseModel):
    model_config = ConfigDict(frozen=True)
    size: Annotated[int, RealField(ge=1)] = 3
    name: str = "n"


class Plain(Values):
    size: int = 3
    name: str = "n"


def test_it_takes_over_what_pydantic_held() -> None:
    there = Pydantic(size=4)
    text = pickle.dumps(there, protocol=0).replace(b"\nPydantic\n", b"\nPlain\n")
    here: Plain = pickle.loads(text)  # noqa: S301 -- from the line before
    assert here.model_dump() == there.model_dump()
    assert here.model_fields_set == there.model_fields_set == {"size"}


def test_a_value_that_does_not_fit_is_still_told() -> None:
    with pytest.raises(ValueError, match="misfit"):
        raise PydanticCustomError("misfit", "{message}", {"message": "no"})
