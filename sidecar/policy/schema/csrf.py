"""The section `csrf`: which writes of browsers are another site's doing (RQ-5)."""

import re
from typing import Annotated, Final, Literal

from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import misfit, text_of

# As browsers serialise an origin (RFC 6454 §6.2): host in lower case, no path, no default port.
_ORIGIN: Final = re.compile(
    r"(https?)://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([1-9][0-9]{0,4}))?\Z"
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_ORIGIN_HINT: Final = "https://console.example: scheme, host and port, nothing behind"


def parse_origin(value: object) -> str:
    """Read a web origin, as browsers write it."""
    text = text_of(value, "https://console.example")
    found = _ORIGIN.match(text)
    if found is None:
        raise misfit("is no origin (RFC 6454 §6.2)", _ORIGIN_HINT)
    scheme, host, port = found.groups()
    if port is None or port == _DEFAULT_PORTS[scheme]:
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"


WebOrigin = Annotated[
    str,
    PlainValidator(parse_origin),
    WithJsonSchema({"type": "string", "pattern": r"^https?://[^/]+$|\$\{"}),
    Field(examples=["https://console.example"]),
]


class Csrf(Section):
    """Writes and WebSockets that come with what browsers send unasked; a word is `applies_to`.

    Attributes:
        applies_to: `ambient` judges what has a cookie or a browser's own Authorization (Basic,
            Digest, Negotiate) and no key or token of a route's caller; `all` judges everything,
            login forms too; `nothing` is for routes.
        origins: origins beside the service's own that may write.
        same_site: whether other subdomains may, where the browser says that it is one of them.
        missing: what becomes of requests without Sec-Fetch-Site, Origin and Referer, which browsers
            of today do not send.
        every_method: true judges GET, HEAD and OPTIONS too, for routes whose reads change things.
    """

    applies_to: Literal["ambient", "all", "nothing"] = "ambient"
    origins: tuple[WebOrigin, ...] = ()
    same_site: Literal["refuse", "allow"] = "refuse"
    missing: Literal["refuse", "allow"] = "refuse"
    every_method: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: object) -> object:
        return {"applies_to": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Allow the short form in editors too."""
        whole = handler.resolve_ref_schema(handler(core_schema))
        return {"title": "Csrf", "anyOf": [dict(whole["properties"]["applies_to"]), whole]}
