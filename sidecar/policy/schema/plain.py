"""Sections that only hold values, for processes that get their policy decoded.

What pydantic would do with a declaration is nobody's need there, so its words are inert. A section
answers as the same section of pydantic's does: its values and defaults, which of them were written,
copies, comparison. Nothing is judged: values come out of a policy that was, or out of our own code.
"""

from collections.abc import Callable, Iterable, Mapping
from inspect import get_annotations
from typing import Final, Self, TypeVar

F = TypeVar("F", bound=Callable[..., object])


class Word:
    """A word of a declaration that means nothing here.

    Attributes:
        factory: what makes the default of a field, if it is made anew each time.
    """

    __slots__ = ("factory",)

    def __init__(self, *_: object, **settings: object) -> None:
        factory = settings.get("default_factory")
        self.factory: Callable[[], object] | None = factory if callable(factory) else None


AfterValidator = BeforeValidator = PlainValidator = Word
Discriminator = Field = Strict = Tag = WithJsonSchema = Word
ConfigDict = dict
CoreSchema = GetJsonSchemaHandler = JsonSchemaValue = ValidationInfo = Word


class PydanticCustomError(ValueError):
    """A value does not fit; for functions that read a single one."""

    def __init__(self, kind: str, template: str, context: Mapping[str, object]) -> None:
        super().__init__(kind, template, context)


def model_validator(*, mode: str) -> Callable[[F], F]:
    """Leave a judge as it is: nobody will call it."""
    del mode
    return lambda judge: judge


_WRITTEN: Final = "model_fields_set"
# What pydantic keeps beside the values (`BaseModel.__getstate__`).
_STATE_VALUES: Final = "__dict__"
_STATE_WRITTEN: Final = "__pydantic_fields_set__"


class Values:
    """A section's values.

    Attributes:
        model_fields_set: names of the values that were written.
    """

    model_fields_set: frozenset[str]
    _names: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        own = [name for name in get_annotations(cls) if name != _WRITTEN]
        cls._names = (*cls._names, *(name for name in own if name not in cls._names))

    def __init__(self, **values: object) -> None:
        """Take values as they are, and the defaults of the others.

        Raises:
            TypeError: a value is missing, or is none of the section's.
        """
        held = {
            name: values[name] if name in values else self._default(name) for name in self._names
        }
        if unknown := values.keys() - held.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        self._hold(held, values)

    def _default(self, name: str) -> object:
        try:
            default = getattr(type(self), name)
        except AttributeError as error:
            raise TypeError(f"{type(self).__name__} needs {name}") from error
        if isinstance(default, Word):
            if default.factory is None:
                raise TypeError(f"{type(self).__name__} needs {name}")
            return default.factory()
        return default

    def _hold(self, values: Mapping[str, object], written: Iterable[str]) -> None:
        # Past `__setattr__`, which refuses.
        vars(self).update(values)
        vars(self)[_WRITTEN] = frozenset(written)

    def __setstate__(self, state: Mapping[str, Mapping[str, object]]) -> None:
        """Take over what pydantic held."""
        held = {name: state[_STATE_VALUES][name] for name in self._names}
        self._hold(held, state[_STATE_WRITTEN])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} stays")

    def model_dump(self, *, exclude_none: bool = False) -> dict[str, object]:
        """Return the values by name; sections among them stay sections."""
        values = {name: vars(self)[name] for name in self._names}
        return {n: v for n, v in values.items() if not exclude_none or v is not None}

    def model_copy(self, *, update: Mapping[str, object]) -> Self:
        """Return the same with other values, which are not judged."""
        copy = object.__new__(type(self))
        copy._hold({**self.model_dump(), **update}, self.model_fields_set | update.keys())
        return copy

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Values):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((type(self), *self.model_dump().values()))
