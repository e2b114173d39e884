"""What the admin and health listeners ask of the sidecar behind them."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class State(Protocol):
    """A sidecar, seen from outside; a single process and a supervisor of workers both are one."""

    def is_ready(self) -> Sequence[str]:
        """Return the reasons why it should get no traffic; none when it is ready."""

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text of all metrics.

        Args:
            accept: the reader's Accept, empty for none.
        """

    async def status(self) -> Mapping[str, object]:
        """Return what runs, since when, on which policy; nothing that is secret."""

    def routes(self) -> Sequence[Mapping[str, object]]:
        """Return the routes in the order in which they are tried; nothing that is secret."""

    def assertion_keys(self) -> bytes | None:
        """Return the public keys of the assertion as a JWK Set; None when nothing is signed."""
