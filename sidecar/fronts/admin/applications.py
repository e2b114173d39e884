"""What the admin and health listeners serve.

    /livez /readyz /metrics    open to everybody who reaches the listener
    /jwks.json                 likewise: public keys; 404 when the policy signs no assertion
    /v1/…                      with a bearer token; 404 when the policy names no token

Host is judged on every path, but only on connections that came in over loopback: that is where DNS
rebinding leads, and where nobody needs a name but `localhost`. On other addresses probes and
scrapers use names that the sidecar cannot know, and what is not open asks for a token.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sidecar.adapters.audit.record import Asked
from sidecar.fronts.admin.access import Tokens, is_known_host, may
from sidecar.fronts.admin.answers import Answer, document, problem
from sidecar.fronts.admin.resources import ACTOR, operation_routes
from sidecar.fronts.admin.state import State
from sidecar.policy.schema.admin import AdminToken

if TYPE_CHECKING:
    # It decodes what operators send, which only those who have tokens may.
    from sidecar.lifecycle.operations import Operation

OPEN: Final = frozenset({"/livez", "/readyz", "/metrics", "/jwks.json"})
JWK_SET_TYPE: Final = "application/jwk-set+json"
"""RFC 7517 §8.5.2."""
BODY_BYTES: Final = 64 * 1024
OPENAPI: Final = "openapi.json"

Denied = Callable[[Asked, str | None, str], None]


def health_app(state: State, names: Collection[str] = ()) -> web.Application:
    """Build what the health listener serves.

    Args:
        state: the sidecar.
        names: host names of the listener, beside `localhost`.
    """
    return _application(_health_routes(state), [_judge_host(names), _judge_body])


def admin_app(
    state: State,
    tokens: Sequence[AdminToken],
    denied: Denied,
    names: Collection[str] = (),
    *,
    operations: Iterable["Operation"] = (),
) -> web.Application:
    """Build what the admin listener serves.

    Args:
        state: the sidecar.
        tokens: tokens of the policy; without any, /v1/ answers 404.
        denied: takes note of a call that nobody was entitled to: the call, the caller's address,
            the reason.
        names: host names of the listener, beside `localhost`.
        operations: what may be done to the installation.
    """
    routes = _health_routes(state)
    if tokens:
        routes += _api_routes(state) + operation_routes(operations)
    judges = [_judge_host(names), _judge_token(Tokens(tokens), denied), _judge_body]
    return _application(routes, judges)


def _application(routes: list[web.RouteDef], judges: list[Middleware]) -> web.Application:
    app = web.Application(
        middlewares=[web.middleware(judge) for judge in judges], client_max_size=BODY_BYTES
    )
    app.add_routes(routes)
    return app


def _health_routes(state: State) -> list[web.RouteDef]:
    async def livez(_: web.Request) -> Answer:
        return document({"live": True})

    async def readyz(_: web.Request) -> Answer:
        reasons = list(state.is_ready())
        content = {"ready": not reasons, "reasons": reasons}
        return document(content, status=503 if reasons else 200)

    async def metrics(request: web.Request) -> Answer:
        content_type, body = await state.metrics(request.headers.get("Accept", ""))
        return Answer(200, content_type, body)

    async def jwks(_: web.Request) -> Answer:
        keys = state.assertion_keys()
        return problem(404) if keys is None else Answer(200, JWK_SET_TYPE, keys)

    return [
        web.get("/livez", livez),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
        web.get("/jwks.json", jwks),
    ]


def _api_routes(state: State) -> list[web.RouteDef]:
    description = (files("sidecar.fronts.admin") / OPENAPI).read_bytes()

    async def status(_: web.Request) -> Answer:
        return document(await state.status())

    async def routes(_: web.Request) -> Answer:
        return document({"routes": state.routes()})

    async def openapi(_: web.Request) -> Answer:
        return Answer(200, "application/json", description)

    return [
        web.get("/v1/status", status),
        web.get("/v1/routes", routes),
        web.get("/v1/openapi.json", openapi),
    ]


def _judge_host(names: Collection[str]) -> Middleware:
    known = frozenset(name.lower() for name in names)

    async def judge(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = request.headers.getall("Host", [])
        if _came_over_loopback(request) and not is_known_host(hosts, known):
            return problem(403)
        return await handler(request)

    return judge


def _judge_token(tokens: Tokens, denied: Denied) -> Middleware:
    async def judge(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not tokens or not _needs_token(request):
            return await handler(request)
        authorization = request.headers.getall("Authorization", [])
        token = tokens.holder(authorization)
        if token is None:
            reason = "the token is wrong" if authorization else "there is no token"
            denied(Asked(request.method, request.rel_url.raw_path, 401), request.remote, reason)
            return problem(401)
        if not may(token, request.method):
            reason = f"the token {token.name} may only read"
            denied(Asked(request.method, request.rel_url.raw_path, 403), request.remote, reason)
            return problem(403)
        request[ACTOR] = token.name
        return await handler(request)

    return judge


async def _judge_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    if (request.content_length or 0) > BODY_BYTES:
        return problem(413)
    return await handler(request)


def _needs_token(request: web.Request) -> bool:
    """Tell whether a request asks for something that is not open, whether it exists or not."""
    resource = request.match_info.route.resource
    if resource is None:  # no such path, or not with this method
        return request.path == "/v1" or request.path.startswith("/v1/")
    return resource.canonical not in OPEN


def _came_over_loopback(request: web.Request) -> bool:
    address = request.transport.get_extra_info("sockname") if request.transport else None
    if not address:  # the client has left already
        return True
    ours = ip_address(address[0].partition("%")[0])
    return (getattr(ours, "ipv4_mapped", None) or ours).is_loopback
