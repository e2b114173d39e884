"""The section `cors`: which pages of other origins may use the service (Fetch §3.2)."""

from typing import Annotated, Literal, Self

from sidecar.policy.schema.names import ListedField, Method
from sidecar.policy.schema.origins import ListedOrigin
from sidecar.policy.schema.quantities import Duration, Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    BeforeValidator,
    CoreSchema,
    Field,
    GetJsonSchemaHandler,
    JsonSchemaValue,
)


class Cors(Section):
    """Pages of other origins: who may use the service from a browser, and what for.

    Attributes:
        origins: origins that may: `https://app.example.com`, `https://*.example.com` for one label
            more, or `*` for everybody, without credentials. A route adds to the policy's.
        tenant_origins: `add` also allows the `origins` of the tenant that host or path name, and of
            the caller's once it is known; `only` lets a caller whose tenant has origins be used
            from these alone; `ignore` leaves them out.
        credentials: true lets pages send cookies and client certificates.
        max_age: how long a browser may remember the answer to a preflight.
        methods: methods that pages may use; all that the route accepts if left out.
        request_headers: header fields that pages may send, `*` for all but Authorization; if left
            out the usual ones, Authorization, Content-Type and the field of API keys included.
        expose_headers: header fields of answers that pages may read.
        private_network: true lets public pages reach a service in a private network.
        enforce: true refuses what comes from other origins, WebSockets included, but for requests
            that any page can make without asking.
    """

    origins: Annotated[tuple[ListedOrigin, ...], Field(examples=["[https://app.example.com]"])] = ()
    tenant_origins: Literal["add", "only", "ignore"] = "add"
    credentials: Flag = False
    max_age: Duration = 600.0
    methods: Annotated[tuple[Method, ...] | None, Field(min_length=1, examples=["[GET, POST]"])] = (
        None
    )
    request_headers: Annotated[
        tuple[ListedField, ...] | None, Field(min_length=1, examples=["[Content-Type]"])
    ] = None
    expose_headers: tuple[ListedField, ...] = (
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "X-Request-Id",
    )
    private_network: Flag = False
    enforce: Flag = False

    def over(self, general: Self) -> Self:
        """Lay a route's rules over the policy's: origins add up, what else is written replaces."""
        origins = tuple(dict.fromkeys((*general.origins, *self.origins)))
        return super().over(general).model_copy(update={"origins": origins})


def _switched(value: object) -> object:
    return None if value is False else value


class _OrFalse:
    """Shows editors that `false` takes none."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        shown = handler(core_schema)
        return {**shown, "anyOf": [*shown["anyOf"], {"type": "boolean", "enum": [False]}]}


CorsOrNone = Annotated[Cors | None, BeforeValidator(_switched), _OrFalse()]
"""The section; false and null are none."""
