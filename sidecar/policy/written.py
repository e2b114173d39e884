"""Values as the policy's author wrote them, and the error that says one does not fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from sidecar.policy.schema.words import PydanticCustomError, ValidationInfo


class Written(str):
    """Text of a policy that still knows where it came from.

    Attributes:
        folder: folder of the file it stands in, against which relative file names are read.
        is_filled: true when `${NAME}` was replaced in it, so that it may become a number or a flag.
    """

    __slots__ = ("folder", "is_filled")

    folder: PurePath
    is_filled: bool

    @classmethod
    def of(cls, text: str, folder: PurePath, *, is_filled: bool) -> "Written":
        """Make one."""
        written = cls(text)
        written.folder = folder
        written.is_filled = is_filled
        return written


class Embedded(str):
    """JSON that stands for itself, taken from a document that the policy names."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a policy may read while it is decoded.

    Attributes:
        read: reads a whole file by name; raises OSError.
        environ: the environment variables.
    """

    read: Callable[[str], bytes]
    environ: Mapping[str, str]

    def content_of(self, name: str) -> bytes:
        """Read a file that the policy names.

        Raises:
            PydanticCustomError: when it cannot be read; the message holds no content.
        """
        try:
            return self.read(name)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a file name"
            raise misfit(
                f"cannot be read as a file ({why})",
                "a relative name starts at the folder of the policy file",
            ) from error


def sources_of(info: ValidationInfo) -> Sources:
    """Hand out the sources that the loader gave to the validation."""
    sources = info.context
    if not isinstance(sources, Sources):
        raise TypeError("a policy is validated with its Sources as context")
    return sources


def misfit(
    message: str, hint: str, *, detail: str = "", is_quoted: bool = True
) -> PydanticCustomError:
    """Say that a value does not fit.

    Args:
        message: a predicate such as 'is not a size'; it must not hold the value, which may have
            come from the environment. The text of the policy is put in front of it.
        hint: what to write instead.
        detail: more, which may hold parts of the value: it is kept back where they were filled in.
        is_quoted: false for values that must not be shown, and where the message is a sentence.
    """
    # The texts travel as context so that braces in them are not read as placeholders.
    context = {"message": message, "hint": hint, "detail": detail, "is_quoted": is_quoted}
    return PydanticCustomError("misfit", "{message}", context)


def text_of(value: object, example: str) -> str:
    """Insist on text.

    Args:
        value: the decoded YAML value.
        example: a value that would do, for the hint.
    """
    if isinstance(value, str):
        return value
    raise PydanticCustomError("string_type", "text expected", {"example": example})
