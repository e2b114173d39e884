"""Alerts to a webhook: signed as Standard Webhooks 1.0 says, and never waited for (AU-5).

The record of an alert is in the audit before; the webhook gets the same record. What waits is
bounded; what is not taken after a few attempts is counted, and stands in the audit again.
"""

import asyncio
import contextlib
import hmac
import logging
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable
from typing import Final

from sidecar.adapters.audit.record import Record, encode_record
from sidecar.adapters.clients.guarded_session import Call, GuardedSession
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.events import UNDELIVERED
from sidecar.model.ports import Event, Events
from sidecar.policy.schema.alerts import AlertWebhook

QUEUE: Final = 256
PAUSES: Final = (1.0, 4.0, 16.0)
"""Seconds between attempts."""
CLOSE_SECONDS: Final = 3.0
_ANSWER_BYTES: Final = 4096
_PREFIX: Final = b"whsec_"
_ACTOR: Final = "sidecar"

_LOG: Final = logging.getLogger("sidecar.audit")


class AlertSender:
    """Sends alerts, one after the other.

    Args:
        section: where to, and what signs them.
        events: the audit, which is told what could not be delivered.
        clock: Unix seconds.
        pauses: seconds between the attempts for one alert.

    Attributes:
        failed: alerts that were not taken.
    """

    def __init__(
        self,
        section: AlertWebhook,
        events: Events,
        clock: Callable[[], float],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._section = section
        self._key = b64decode(_padded(section.secret.reveal().removeprefix(_PREFIX)))
        self._events = events
        self._clock = clock
        self._pauses = pauses
        self._session = GuardedSession(connections=1)
        self._queue: deque[tuple[str, bytes, str | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._missing = 0
        self.failed = 0

    def put(self, record: Record) -> None:
        """Send an alert as soon as may be; beyond the bound it is given up."""
        if record.action == UNDELIVERED:
            return
        if len(self._queue) >= QUEUE or self._closing.is_set():
            self.failed += 1
            self._missing += 1
            return
        body = encode_record(record)
        self._queue.append((record.id, body, record.tenant_id))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Try what waits once more, for so many seconds at most."""
        self._closing.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=seconds)
            if late:
                self._task.cancel()
                await asyncio.wait(late)
        self._missing += len(self._queue)
        self.failed += len(self._queue)
        self._queue.clear()
        self._note_missing()
        await self._session.close()

    async def _run(self) -> None:
        while self._queue:
            name, body, tenant = self._queue[0]
            reason = await self._deliver(name, body)
            self._queue.popleft()
            if reason:
                self._give_up(name, tenant, reason)
            self._note_missing()

    async def _deliver(self, name: str, body: bytes) -> str:
        """Try to deliver an alert; returns why it was not taken, empty when it was."""
        reason = ""
        for pause in (*self._pauses, None):
            is_last = self._closing.is_set()
            reason = await self._attempt(name, body)
            if not reason or is_last or pause is None:
                break
            await self._pause(pause)
        return reason

    async def _attempt(self, name: str, body: bytes) -> str:
        sent_at = str(int(self._clock()))
        signed = b"%b.%b.%b" % (name.encode(), sent_at.encode(), body)
        signature = b64encode(hmac.digest(self._key, signed, "sha256")).decode()
        section = self._section
        fields = {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": sent_at,
            "webhook-signature": f"v1,{signature}",
        }
        call = Call(
            section.url, section.ca, section.timeout, _ANSWER_BYTES, content=body, fields=fields
        )
        try:
            await self._session.call(call)
        except StoreUnavailableError as error:
            return error.reason
        return ""

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; for nothing where it is the last one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _give_up(self, name: str, tenant: str | None, reason: str) -> None:
        self.failed += 1
        _LOG.error("an alert was not taken: %s", reason)
        self._events.note_event(Event(UNDELIVERED, _ACTOR, tenant, "alert", name, reason))

    def _note_missing(self) -> None:
        missing, self._missing = self._missing, 0
        if missing:
            reason = "more alerts than could be delivered in time"
            details = {"alerts": missing}
            event = Event(UNDELIVERED, _ACTOR, None, "alert", "-", reason, details)
            self._events.note_event(event)


def _padded(text: bytes) -> bytes:
    return text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
