"""The stops of the tour: what is sent, what must come back, and what it shows."""

from dataclasses import dataclass
from typing import Final

from sidecar.fronts.demo.visit import Answer, Echo, Plain, Raw, Request


@dataclass(frozen=True, slots=True)
class Expected:
    """What the answer of a stop must be.

    Attributes:
        status: HTTP status code.
        says: texts that the body holds; case does not matter.
        hides: texts that the body does not hold, likewise.
        fields: header fields with their exact value; None: the field is absent.
        is_streamed: the body must have come in more than one piece.
        is_closed: the sidecar must have ended the connection.
        because: text that the audit record's account of it holds.
    """

    status: int
    says: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    fields: tuple[tuple[str, str | None], ...] = ()
    is_streamed: bool = False
    is_closed: bool = False
    because: str = "admitted"

    def faults(self, answer: Answer, why: str) -> list[str]:
        """Name every difference between what happened and what must.

        Args:
            answer: the answer.
            why: what the audit record says of it, in words.
        """
        body = answer.body.lower()
        faults = [f"the body lacks {text!r}" for text in self.says if text.lower() not in body]
        faults += [f"the body holds {text!r}" for text in self.hides if text.lower() in body]
        faults += [
            f"{name} is {answer.get(name)!r}, not {value!r}"
            for name, value in self.fields
            if answer.get(name) != value
        ]
        if answer.status != self.status:
            faults.insert(0, f"the status is {answer.status}, not {self.status}")
        if self.is_streamed and answer.pieces < 2:  # noqa: PLR2004 - streamed means more than one
            faults.append("the body came in one piece")
        if self.is_closed and not answer.is_closed:
            faults.append("the connection stayed open")
        if self.because not in why:
            faults.append(f"the reason is not {self.because!r}")
        return faults


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop: title, request, expected answer.

    Attributes:
        title: what the stop shows, one line.
        request: what is sent.
        expected: what must come back.
        shows: header fields of the answer that are worth printing.
    """

    title: str
    request: Request
    expected: Expected
    shows: tuple[str, ...] = ()


ACME_KEY: Final = "<key of acme>"
REVOKED_KEY: Final = "<revoked key>"
"""They stand for keys, which are made when the demo starts."""

_KEY_OF_ACME: Final = ("X-API-Key", ACME_KEY)
_JSON: Final = ("Content-Type", "application/json")
_PROBLEM: Final = ("Content-Type", "application/problem+json")

# Two lengths: a server that believes the first sees a second request where one that believes
# the second sees a body. This is the classic of request smuggling (RFC 9112 §6.1).
_SMUGGLED: Final = (
    b"POST /api/items HTTP/1.1\r\n"
    b"Host: demo\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"\r\n"
    b"0\r\n"
    b"\r\n"
    b"GET /internal/report HTTP/1.1\r\n"
    b"Host: demo\r\n"
    b"\r\n"
)

STOPS: Final[tuple[Stop, ...]] = (
    Stop(
        "A plain request passes",
        Plain("GET", "/api/items"),
        Expected(200, says=("anvil",)),
        shows=("Content-Type", "X-Request-Id"),
    ),
    Stop(
        "What the service sees: the path byte for byte, and who really asked",
        Plain("GET", "/echo/caf%C3%A9?tag=a&tag=b"),
        Expected(
            200,
            says=("/echo/caf%C3%A9?tag=a&tag=b", "x-forwarded-for", "127.0.0.1", "x-request-id"),
        ),
    ),
    Stop(
        "Identity that a client invents never arrives, however it is spelt",
        Plain(
            "GET",
            "/echo/who",
            fields=(
                ("X-User-Id", "root"),
                ("X_Tenant_Id", "acme"),
                ("x.roles", "owner"),
                ("X-Forwarded-For", "203.0.113.9"),
            ),
        ),
        Expected(200, hides=("root", "acme", "owner", "203.0.113.9")),
    ),
    Stop(
        "A prefix is stripped before the request goes on",
        Plain("GET", "/service/echo/hello"),
        Expected(200, says=('"target": "/echo/hello"',)),
    ),
    Stop(
        "A path that climbs out of its folder is refused",
        Plain("GET", "/api/items/../../internal/report"),
        Expected(400, fields=(_PROBLEM,), because="refused by path"),
    ),
    Stop(
        "So is a slash in disguise: policy and service might read it differently",
        Plain("GET", "/api/items/1%2F2"),
        Expected(400, fields=(_PROBLEM,), because="refused by path: encoded slash"),
    ),
    Stop(
        "What the policy does not name does not exist; a browser gets the policy's own page",
        Plain("GET", "/nowhere", fields=(("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"))),
        Expected(404, says=("No such page",), because="refused by route"),
        shows=("Content-Type",),
    ),
    Stop(
        "The route exists, but not for this method",
        Plain("DELETE", "/api/items"),
        Expected(405, fields=(("Allow", "GET, HEAD, POST"),), because="refused by route"),
        shows=("Allow",),
    ),
    Stop(
        "A route for developers of a tenant, asked without a key; why is for the audit alone",
        Plain("GET", "/echo/orgs/acme/report"),
        Expected(401, fields=(_PROBLEM,), because="refused by authenticate: no credential"),
        shows=("WWW-Authenticate",),
    ),
    Stop(
        "With a key of the tenant: the service is told who asks, and never sees the key",
        Plain("GET", "/echo/orgs/acme/report", fields=(_KEY_OF_ACME,)),
        Expected(
            200,
            says=('"x-tenant-id", "acme"', '"x-roles", "developer"', '"x-tier", "pro"'),
            hides=("x-api-key",),
        ),
    ),
    Stop(
        "The same key on another tenant's path",
        Plain("GET", "/echo/orgs/globex/report", fields=(_KEY_OF_ACME,)),
        Expected(403, fields=(_PROBLEM,), because="names a tenant that is not the caller's"),
    ),
    Stop(
        "A key that was revoked: to the client the same answer as no key at all",
        Plain("GET", "/echo/orgs/acme/report", fields=(("X-API-Key", REVOKED_KEY),)),
        Expected(401, fields=(_PROBLEM,), because="refused by authenticate: revoked key"),
        shows=("WWW-Authenticate",),
    ),
    Stop(
        "A route with a limit: one export a minute for each tenant, and none is left now",
        Plain("GET", "/echo/orgs/acme/export", fields=(_KEY_OF_ACME,)),
        Expected(
            200,
            says=("/echo/orgs/acme/export",),
            fields=(("RateLimit-Policy", '"route";q=1;w=60'), ("RateLimit", '"route";r=0;t=60')),
        ),
        shows=("RateLimit-Policy", "RateLimit"),
    ),
    Stop(
        "The second within the minute is refused, and told when to come back",
        Plain("GET", "/echo/orgs/acme/export", fields=(_KEY_OF_ACME,)),
        Expected(
            429,
            fields=(_PROBLEM, ("RateLimit-Policy", '"route";q=1;w=60')),
            because="refused by limits: limit route: 1 in 60s are used up",
        ),
        shows=("Retry-After", "RateLimit"),
    ),
    Stop(
        "A body of the right size and type passes",
        Plain("POST", "/api/items", fields=(_JSON,), body=b'{"name": "drill"}'),
        Expected(201, says=("drill",)),
    ),
    Stop(
        "A body over the route's cap is refused",
        Plain("POST", "/api/items", fields=(_JSON,), body=b'"' + 20_000 * b"x" + b'"'),
        Expected(
            413, fields=(_PROBLEM,), because="refused by declared_body: declared length above"
        ),
    ),
    Stop(
        "So is a content type that the route does not take",
        Plain("POST", "/api/items", fields=(("Content-Type", "text/xml"),), body=b"<drill/>"),
        Expected(415, fields=(_PROBLEM,), because="refused by declared_body: content type"),
    ),
    Stop(
        "A rule on trial lets it pass, and says what it would have done",
        Plain("POST", "/trial/echo/xml", fields=(("Content-Type", "text/xml"),), body=b"<drill/>"),
        Expected(200, says=("/echo/xml",), because="UNSUPPORTED_MEDIA_TYPE in earnest"),
    ),
    Stop(
        "A smuggled request: refused, and the connection is closed",
        Raw(_SMUGGLED),
        Expected(
            400,
            hides=("HTTP/1.1", "quarterly figures"),
            is_closed=True,
            because="refused by framing: Content-Length beside Transfer-Encoding",
        ),
        shows=("Connection",),
    ),
    Stop(
        "An address that the route does not admit, whatever the client claims",
        Plain("GET", "/internal/report", fields=(("X-Forwarded-For", "10.0.0.7"),)),
        Expected(
            403, hides=("quarterly figures",), fields=(_PROBLEM,), because="refused by addresses"
        ),
    ),
    Stop(
        "Server-sent events arrive as they happen",
        Plain("GET", "/events?count=3&seconds=0.2"),
        Expected(200, says=("event 1", "event 3"), is_streamed=True),
        shows=("Content-Type",),
    ),
    Stop(
        "A WebSocket passes both ways",
        Echo("/ws", "hello through the sidecar"),
        Expected(101, says=("hello through the sidecar",)),
        shows=("Sec-WebSocket-Protocol",),
    ),
    Stop(
        "What the service tells about itself is removed, security headers are added",
        Plain("GET", "/leaky"),
        Expected(
            200,
            fields=(
                ("Server", None),
                ("X-Powered-By", None),
                ("X-AspNet-Version", None),
                ("X-Frame-Options", "DENY"),
                ("X-Content-Type-Options", "nosniff"),
            ),
        ),
        shows=("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"),
    ),
    Stop(
        "A service that hangs up becomes a clean 502",
        Plain("GET", "/crash"),
        Expected(502, fields=(_PROBLEM,), because="failed by upstream"),
    ),
    Stop(
        "A service that takes too long becomes a 504",
        Plain("GET", "/slow?seconds=5"),
        Expected(504, fields=(_PROBLEM,), because="failed by upstream"),
    ),
)
