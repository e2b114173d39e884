"""The one table of refusals: code, HTTP status, title. Codes are public and stable."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RefusalCode(StrEnum):
    """Stable name of a kind of refusal, as clients, audit and metrics see it."""

    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    INSUFFICIENT_SCOPE = "INSUFFICIENT_SCOPE"
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED"
    CSRF = "CSRF"
    TOOL_NOT_ALLOWED = "TOOL_NOT_ALLOWED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    URI_TOO_LONG = "URI_TOO_LONG"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    UNPROCESSABLE = "UNPROCESSABLE"
    RATE_LIMITED = "RATE_LIMITED"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    INTERNAL = "INTERNAL"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    BAD_GATEWAY = "BAD_GATEWAY"
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    VERSION_NOT_SUPPORTED = "VERSION_NOT_SUPPORTED"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told of a refusal.

    Attributes:
        status: HTTP status code.
        title: short English summary, the same for every occurrence (RFC 9457 §3.1.3).
        when: when it happens, for the reference manual.
    """

    status: int
    title: str
    when: str


REFUSALS: Final[dict[RefusalCode, Refusal]] = {
    RefusalCode.BAD_REQUEST: Refusal(
        400,
        "Bad request",
        "the message is malformed or ambiguous, its path has two readings, or its body is not what"
        " its type says",
    ),
    RefusalCode.UNAUTHORIZED: Refusal(
        401,
        "Unauthorized",
        "who the caller is could not be proved, or the caller is not served; the admin API was"
        " asked without a token of the policy",
    ),
    RefusalCode.FORBIDDEN: Refusal(
        403,
        "Forbidden",
        "the caller's role, permission, kind of key, project, tenant or address may not use the"
        " route, or the address is blocked",
    ),
    RefusalCode.INSUFFICIENT_SCOPE: Refusal(
        403, "Insufficient scope", "the credential lacks a scope that the route asks for"
    ),
    RefusalCode.ORIGIN_NOT_ALLOWED: Refusal(
        403,
        "Origin not allowed",
        "a CORS preflight asks for what `cors` does not allow, or with `cors.enforce` a request"
        " comes from an origin that is not allowed",
    ),
    RefusalCode.CSRF: Refusal(
        403,
        "Cross-site request",
        "a write or a WebSocket with a cookie or a browser's password comes from another origin, or"
        " does not say where from",
    ),
    RefusalCode.TOOL_NOT_ALLOWED: Refusal(
        403,
        "Tool not allowed",
        "a tool, a prompt or a method of MCP is not listed for the caller; who waits for an answer"
        " of JSON-RPC gets an error of JSON-RPC with 200",
    ),
    RefusalCode.NOT_FOUND: Refusal(404, "Not found", "no route of the policy matches"),
    RefusalCode.METHOD_NOT_ALLOWED: Refusal(
        405, "Method not allowed", "the route exists, but not for this method"
    ),
    RefusalCode.CONFLICT: Refusal(
        409,
        "Conflict",
        "the admin API was asked for what the state of a key or tenant forbids, or somebody else"
        " changed it meanwhile",
    ),
    RefusalCode.REQUEST_TIMEOUT: Refusal(
        408, "Request timeout", "the client was too slow in sending its request"
    ),
    RefusalCode.PAYLOAD_TOO_LARGE: Refusal(
        413,
        "Payload too large",
        "the body is larger than the route accepts, as it came or unpacked, or has more items",
    ),
    RefusalCode.URI_TOO_LONG: Refusal(
        414, "URI too long", "the request line is longer than the limit"
    ),
    RefusalCode.UNSUPPORTED_MEDIA_TYPE: Refusal(
        415,
        "Unsupported media type",
        "the content type is not among the route's, it is gRPC, or the body is in a form, charset"
        " or coding that the rules of the route cannot read",
    ),
    RefusalCode.UNPROCESSABLE: Refusal(
        422,
        "Unprocessable content",
        "the body breaks the rules of the route; `errors` says where",
    ),
    RefusalCode.RATE_LIMITED: Refusal(
        429,
        "Too many requests",
        "a rate limit has no room for the request; `Retry-After` says when",
    ),
    RefusalCode.HEADERS_TOO_LARGE: Refusal(
        431, "Request header fields too large", "the head has too many bytes or too many fields"
    ),
    RefusalCode.INTERNAL: Refusal(500, "Internal error", "the sidecar itself failed"),
    RefusalCode.NOT_IMPLEMENTED: Refusal(
        501,
        "Not implemented",
        "CONNECT, TRACE, an upgrade other than WebSocket, or a transfer coding other than chunked",
    ),
    RefusalCode.BAD_GATEWAY: Refusal(
        502, "Bad gateway", "the upstream's answer is malformed, ambiguous or cut short"
    ),
    RefusalCode.OVERLOADED: Refusal(
        503,
        "Overloaded",
        "a bound on connections, on requests in flight or on bodies that rules read is reached, or "
        "an audit sink is full",
    ),
    RefusalCode.STORE_UNAVAILABLE: Refusal(
        503,
        "Store unavailable",
        "a store, a key set or an identity provider that has to be asked cannot answer",
    ),
    RefusalCode.UPSTREAM_UNAVAILABLE: Refusal(
        503, "Upstream unavailable", "no connection to the upstream can be made"
    ),
    RefusalCode.UPSTREAM_TIMEOUT: Refusal(
        504, "Upstream timeout", "the upstream did not connect or answer in time"
    ),
    RefusalCode.VERSION_NOT_SUPPORTED: Refusal(
        505, "HTTP version not supported", "the request is neither HTTP/1.0 nor HTTP/1.1"
    ),
}
