"""The admission webhook that puts the sidecar into pods.

    POST /pods /services         over TLS: an AdmissionReview in, one out
    /livez /readyz /healthz      on the health listener, without TLS
    /metrics                     likewise

Whatever goes wrong is no admission: the configuration of the webhook has `failurePolicy: Fail`.
Connections and bytes are bounded, for whoever is in the cluster may ask.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from aiohttp import web

from sidecar.adapters.sockets import open_socket
from sidecar.adapters.telemetry.metrics import Row, Snapshot
from sidecar.adapters.telemetry.scrapes import asks_openmetrics
from sidecar.adapters.telemetry.table import BUCKETS
from sidecar.fronts.kube.bodies import SMALL_BYTES, Room, UnreadError, read
from sidecar.fronts.kube.certificate import Certificate
from sidecar.fronts.kube.door import Bounds, Door
from sidecar.knowledge.kube.review import Decision, Result, decide
from sidecar.knowledge.kube.wishes import Settings

PROBES: Final = 64
"""Connections of the health listener."""
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
USUAL_BOUNDS: Final = Bounds()


class Webhook:
    """The webhook and its health listener.

    Args:
        settings: for all pods.
        certificate: what it shows to API servers.
        listen: host and port for API servers.
        health: host and port for probes and metrics.
        times: patience.
        bounds: of the listener for API servers.
    """

    def __init__(  # noqa: PLR0913 -- what it is made of, by name
        self,
        settings: Settings,
        certificate: Certificate,
        *,
        listen: tuple[str, int],
        health: tuple[str, int],
        times: Times = USUAL_TIMES,
        bounds: Bounds = USUAL_BOUNDS,
    ) -> None:
        self._settings = settings
        self._certificate = certificate
        self._addresses = (listen, health)
        self._times = times
        self._bounds = (bounds, replace(bounds, connections=PROBES))
        # All of them from the start: of a counter that begins with 1, Prometheus sees no increase.
        self._counted: Counter[tuple[str, str]] = Counter(
            dict.fromkeys(product(_PATHS.values(), Result), 0)
        )
        self._took = {kind: [0.0] * (len(BUCKETS) + 2) for kind in _PATHS.values()}
        self._room = Room(bounds.room)
        # One of them at a time; how many wait is bounded by connections and room.
        self._beside = ThreadPoolExecutor(1, "large-reviews")
        self._runners: list[web.AppRunner] = []
        self._doors: list[Door] = []
        self._looking: asyncio.Task[None] | None = None

    @property
    def ports(self) -> list[int]:
        """Ports that were bound: for API servers, and for probes."""
        return [door.port for door in self._doors]

    async def start(self) -> None:
        """Serve.

        Raises:
            OSError: an address cannot be bound.
        """
        contexts = (self._certificate.context, None)
        apps = (self._reviews(), self._health())
        try:
            for one in zip(apps, contexts, self._addresses, self._bounds, strict=True):
                self._doors.append(await self._door(*one))
        except OSError:
            await self.close()
            raise
        for door in self._doors:
            door.open()
        self._looking = asyncio.create_task(self._look())

    async def _door(
        self,
        app: web.Application,
        context: ssl.SSLContext | None,
        address: tuple[str, int],
        bounds: Bounds,
    ) -> Door:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        if runner.server is None:
            raise RuntimeError("aiohttp set up no server")
        return Door(runner.server, open_socket(*address), context, bounds)

    async def close(self) -> None:
        """Stop, after answers that are under way."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        for door in self._doors:
            await door.close(STOP_SECONDS)
        for runner in self._runners:
            await runner.cleanup()
        self._beside.shutdown(wait=False, cancel_futures=True)

    def snapshot(self) -> Snapshot:
        """Return what was counted."""
        rows: list[Row] = [(labels, [float(n)]) for labels, n in sorted(self._counted.items())]
        reviews = self._doors[0]
        taken: Snapshot = {
            "sidecar_injections_total": rows,
            "sidecar_injection_duration_seconds": [((kind,), n) for kind, n in self._took.items()],
            "sidecar_injector_connections": [((), [float(reviews.connections)])],
            "sidecar_injector_connections_cut_total": [
                ((why,), [float(n)]) for why, n in sorted(reviews.cut.items())
            ],
        }
        if self._certificate.end is not None:
            labels = ("webhook", self._certificate.file)
            taken["sidecar_certificate_expiry_timestamp_seconds"] = [
                (labels, [self._certificate.end])
            ]
        return taken

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
        app = web.Application(middlewares=[_with_one_face])
        for path, kind in _PATHS.items():
            app.router.add_post(path, self._answering(kind))
        return app

    def _answering(self, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            began = time.perf_counter()
            try:
                with self._room.share() as share:
                    body = await read(request, share, self._times.body)
                    decision = await self._judged(body, kind)
            except UnreadError as error:
                return self._told(kind, error.decision, began, error.status)
            except Exception:  # noqa: BLE001 -- counted here: log, an opaque 500
                _LOG.exception("%s failed", request.path)
                failed = Decision(Result.FAILED, reason="the injector failed; its log says why")
                return self._told(kind, failed, began, 500)
            return self._told(kind, decision, began, 200 if decision.uid else 400)

        return answer

    async def _judged(self, body: bytes, kind: str) -> Decision:
        """Judge a review; one of megabytes takes seconds, and must not keep the others waiting."""
        if len(body) <= SMALL_BYTES:
            return decide(body, kind, self._settings)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._beside, decide, body, kind, self._settings)

    def _told(self, kind: str, decision: Decision, began: float, status: int) -> web.Response:
        """Count a decision, log it, and answer."""
        seconds = time.perf_counter() - began
        self._counted[kind, decision.result] += 1
        took = self._took[kind]
        took[bisect_left(BUCKETS, seconds)] += 1
        took[-1] += seconds
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
                "duration_ms": round(seconds * 1000, 3),
            },
        )
        return web.Response(status=status, body=decision.body(), content_type="application/json")

    def _health(self) -> web.Application:
        async def live(_: web.Request) -> web.Response:
            return web.json_response({"live": True})

        async def metrics(request: web.Request) -> web.Response:
            # prometheus_client is memory for those who scrape.
            from sidecar.adapters.telemetry.exposition import render

            content_type, text = render(
                self.snapshot(),
                is_openmetrics=asks_openmetrics(request.headers.get("Accept", "")),
            )
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
