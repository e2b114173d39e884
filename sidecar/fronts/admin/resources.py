"""What may be done to an installation, over HTTP: each row of the table becomes a route."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from sidecar.fronts.admin.answers import Answer, document, refused
from sidecar.lifecycle.errors import BadValueError, ConflictError, LifecycleError, NotFoundError
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.refusals import RefusalCode

if TYPE_CHECKING:
    from sidecar.lifecycle.operations import Operation

ACTOR: Final = web.RequestKey("actor", str)
"""Name of the token that a request bears: the actor of the audit."""

_CODES: Final = {
    BadValueError: RefusalCode.BAD_REQUEST,
    ConflictError: RefusalCode.CONFLICT,
    NotFoundError: RefusalCode.NOT_FOUND,
}


def operation_routes(operations: Iterable["Operation"]) -> list[web.RouteDef]:
    """Make the routes; those who call them bear a token, whose role was judged by the method."""
    return [_route(one.method, one.path, _handler(one)) for one in operations]


def _route(method: str, path: str, handler: Handler) -> web.RouteDef:
    # aiohttp answers HEAD where GET is asked for by its own function alone.
    return web.get(path, handler) if method == "GET" else web.route(method, path, handler)


def _handler(operation: "Operation") -> Handler:
    async def answer(request: web.Request) -> Answer:
        query, ids = request.query.items(), dict(request.match_info)
        body = await request.read()
        try:
            content = await operation.perform(request[ACTOR], ids, query, body)
        except LifecycleError as error:
            return refused(_code_of(error), error.message, error.hint)
        except StoreUnavailableError as error:
            return refused(RefusalCode.STORE_UNAVAILABLE, error.reason)
        return document(content, status=operation.status)

    return answer


def _code_of(error: LifecycleError) -> RefusalCode:
    return _CODES.get(type(error), RefusalCode.BAD_REQUEST)
