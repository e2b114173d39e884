"""The section `errors`: bodies of the policy's own for refusals."""

import re
from typing import Annotated, Final, Self

from sidecar.policy.schema.files import NamedFile, ReadFile
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import AfterValidator, Field, model_validator
from sidecar.policy.written import misfit

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_KNOWN: Final = frozenset({"status", "code", "title"})
_MAX_BYTES: Final = 262_144


def _template(file: NamedFile) -> NamedFile:
    if len(file.content) > _MAX_BYTES:
        raise misfit("is larger than 256 KiB", "a smaller page: it is sent with every refusal")
    try:
        text = file.content.decode()
    except UnicodeDecodeError as error:
        raise misfit("is not UTF-8", "save the template as UTF-8") from error
    unknown = sorted({found[1] for found in _PLACEHOLDER.finditer(text)} - _KNOWN)
    if unknown:
        names = ", ".join(f"{{{name}}}" for name in unknown[:3])
        raise misfit(f"has unknown placeholders: {names}", "{status}, {code} and {title} only")
    return file


Template = Annotated[ReadFile, AfterValidator(_template)]


class ErrorTemplate(Section):
    """Bodies for one refusal code; `{status}`, `{code}` and `{title}` are filled in.

    Attributes:
        html: file with the page that browser navigations get.
        json_file: file with the body that all other requests get.
    """

    html: Template | None = None
    json_file: Annotated[Template | None, Field(alias="json")] = None

    @property
    def html_bytes(self) -> bytes | None:
        """The page, as read when the policy was loaded."""
        return None if self.html is None else self.html.content

    @property
    def json_bytes(self) -> bytes | None:
        """The JSON body, as read when the policy was loaded."""
        return None if self.json_file is None else self.json_file.content

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.html is None and self.json_file is None:
            raise misfit(
                "a template needs html or json", "html: pages/forbidden.html", is_quoted=False
            )
        return self
