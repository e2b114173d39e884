"""The admission webhook that puts the sidecar into pods.

    POST /pods /services         over TLS: an AdmissionReview in, one out
    /livez /readyz /healthz      on the health listener, without TLS
    /metrics                     likewise

Whatever goes wrong is no admission: the configuration of the webhook has `failurePolicy: Fail`.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from sidecar.adapters.sockets import open_socket, server_context
from sidecar.adapters.telemetry.metrics import Row, Snapshot
from sidecar.adapters.watched import Watched
from sidecar.knowledge.kube.review import Decision, Result, decide
from sidecar.knowledge.kube.wishes import Settings

BODY_BYTES: Final = 8 << 20
"""An object has 1.5 MB at most (etcd), and a review the old one beside the new one, as JSON."""
IDLE_SECONDS: Final = 15.0
STOP_SECONDS: Final = 5.0

_LOG: Final = logging.getLogger("sidecar.webhook")
_PATHS: Final = {"/pods": "Pod", "/services": "Service"}


@dataclass(frozen=True, slots=True)
class Times:
    """Patience, in seconds.

    Attributes:
        body: with a review, from its head to its end.
        look: between two looks at the files of the certificate.
    """

    body: float = 5.0
    look: float = 2.0


USUAL_TIMES: Final = Times()


class Certificate:
    """A certificate and its key, read anew when a file has changed.

    Args:
        certificate: PEM file with the chain.
        key: PEM file.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._pair = (certificate, key)
        self._watched = Watched(self._pair)
        self._seen = self._watched.look()
        self._newest = _context(*self._pair)
        self.context = _context(*self._pair)
        # The context that listens is never changed: OpenSSL reads it without a lock while a client
        # shakes hands, and a thread that loads files into it meanwhile ends the process.
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._newest

    def renew(self) -> bool:
        """Take files that have changed, for connections from now on; may wait for a disk.

        Returns:
            Whether they were taken.

        Raises:
            OSError: they cannot be used, or do not fit; the former ones are kept.
        """
        seen = self._watched.look()
        if seen == self._seen:
            return False
        self._newest = _context(*self._pair)
        self._seen = seen
        return True


def _context(certificate: str, key: str) -> ssl.SSLContext:
    return server_context(certificate, key, ssl.TLSVersion.TLSv1_2)


class Webhook:
    """The webhook and its health listener.

    Args:
        settings: for all pods.
        certificate: what it shows to API servers.
        listen: host and port for API servers.
        health: host and port for probes and metrics.
        times: patience.
    """

    def __init__(
        self,
        settings: Settings,
        certificate: Certificate,
        *,
        listen: tuple[str, int],
        health: tuple[str, int],
        times: Times = USUAL_TIMES,
    ) -> None:
        self._settings = settings
        self._certificate = certificate
        self._addresses = (listen, health)
        self._times = times
        self._counted: Counter[tuple[str, str]] = Counter()
        self._runners: list[web.AppRunner] = []
        self._looking: asyncio.Task[None] | None = None

    @property
    def ports(self) -> list[int]:
        """Ports that were bound: for API servers, and for probes."""
        return [int(runner.addresses[0][1]) for runner in self._runners]

    async def start(self) -> None:
        """Serve.

        Raises:
            OSError: an address cannot be bound.
        """
        contexts = (self._certificate.context, None)
        apps = (self._reviews(), self._health())
        try:
            for app, context, address in zip(apps, contexts, self._addresses, strict=True):
                runner = web.AppRunner(
                    app, access_log=None, keepalive_timeout=IDLE_SECONDS,
                    handler_cancellation=True, shutdown_timeout=STOP_SECONDS,
                )  # fmt: skip
                await runner.setup()
                self._runners.append(runner)
                await web.SockSite(runner, open_socket(*address), ssl_context=context).start()
        except OSError:
            await self.close()
            raise
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Stop, after answers that are under way."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        for runner in self._runners:
            await runner.cleanup()

    def snapshot(self) -> Snapshot:
        """Return what was counted."""
        rows: list[Row] = [(labels, [float(n)]) for labels, n in sorted(self._counted.items())]
        return {"sidecar_injections_total": rows}

    async def _look(self) -> None:
        """Take new certificates, for as long as it serves."""
        while True:
            await asyncio.sleep(self._times.look)
            try:
                is_new = await asyncio.to_thread(self._certificate.renew)
                _LOG.log(
                    logging.INFO if is_new else logging.DEBUG,
                    "the certificate is %s",
                    "read anew" if is_new else "as it was",
                )
            except OSError as error:
                _LOG.error("the new certificate cannot be used, the former one is kept: %s", error)

    def _reviews(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_with_one_face])
        for path, kind in _PATHS.items():
            app.router.add_post(path, self._answering(kind))
        return app

    def _answering(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(self._times.body):
                    body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                said = f"the review has more than {BODY_BYTES >> 20} MiB"
                return self._told(kind, Decision(Result.MALFORMED, reason=said), began, 413)
            except TimeoutError:
                said = f"the review did not come within {self._times.body:g} seconds"
                return self._told(kind, Decision(Result.MALFORMED, reason=said), began, 408)
            decision = decide(body, kind, self._settings)
            return self._told(kind, decision, began, 200 if decision.uid else 400)

        return answer

    def _told(self, kind: str, decision: Decision, began: float, status: int) -> web.Response:
        """Count a decision, log it, and answer."""
        self._counted[kind, decision.result] += 1
        notes = "; ".join(decision.injection.notes)
        _LOG.info(
            "review",
            extra={
                "uid": decision.uid,
                "object": decision.of or kind,
                "result": str(decision.result),
                "dry_run": decision.is_dry,
                "reason": decision.reason,
                "notes": notes,
                "duration_ms": round((time.perf_counter() - began) * 1000, 3),
            },
        )
        return web.Response(status=status, body=decision.body(), content_type="application/json")

    def _health(self) -> web.Application:
        async def live(_: web.Request) -> web.Response:
            return web.json_response({"live": True})

        async def metrics(request: web.Request) -> web.Response:
            # prometheus_client is memory for those who scrape.
            from sidecar.adapters.telemetry.exposition import render

            content_type, text = render(self.snapshot(), request.headers.get("Accept", ""))
            return web.Response(body=text, headers={"Content-Type": content_type})

        app = web.Application(middlewares=[_with_one_face])
        for path in ("/livez", "/readyz", "/healthz"):
            app.router.add_get(path, live)
        app.router.add_get("/metrics", metrics)
        return app


@web.middleware
async def _with_one_face(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer what went wrong as a refusal, never with a traceback."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _refusal(error.status, error.reason)
    except Exception:  # noqa: BLE001 -- the top of a task: log, an opaque 500
        _LOG.exception("%s failed", request.path)
        return _refusal(500, "the injector failed; its log says why")


def _refusal(status: int, reason: str) -> web.Response:
    body = Decision(Result.MALFORMED, reason=reason).body()
    return web.Response(status=status, body=body, content_type="application/json")
