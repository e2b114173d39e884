"""The section `cookies`: what the service's cookies are at least (RQ-5)."""

from typing import Annotated, Literal

from sidecar.policy.schema.names import CookieName
from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field

SameSite = Literal["strict", "lax", "none"]


class CookieException(Section):
    """What holds for one cookie instead.

    Attributes:
        secure: see `cookies`.
        http_only: see `cookies`.
        same_site: see `cookies`.
        domain: see `cookies`.
    """

    secure: Flag | None = None
    http_only: Flag | None = None
    same_site: SameSite | None = None
    domain: Literal["drop", "keep"] | None = None


class Cookies(Section):
    """What every cookie that the service sets is at least; nothing is ever weakened.

    Attributes:
        secure: true adds Secure: sent over TLS alone, and to localhost.
        http_only: true adds HttpOnly: scripts cannot read it.
        same_site: `lax` or `strict` is the least that SameSite says; `none` asks for nothing.
        domain: `drop` takes Domain away, so that a cookie is for its host alone, no subdomain.
        exceptions: by name of the cookie, what holds for it instead.
    """

    secure: Flag = True
    http_only: Flag = True
    same_site: SameSite = "lax"
    domain: Literal["drop", "keep"] = "drop"
    exceptions: Annotated[
        dict[CookieName, CookieException], Field(examples=["{csrftoken: {http_only: false}}"])
    ] = Field(default_factory=dict)
