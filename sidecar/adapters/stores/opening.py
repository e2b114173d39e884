"""From the policy's section `state` to a store; what a kind needs is imported only for it."""

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sidecar.adapters.stores.breaker import Breaker
from sidecar.adapters.stores.guarded import Guarded
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Store
from sidecar.policy.schema.state import State

_FILE: Final = "state.db"


def _unheard(operation: str) -> None:
    """Take no note of a failed operation."""


def open_store(
    state: State,
    environ: Mapping[str, str],
    clock: Callable[[], float] = time.time,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    failed: Callable[[str], None] = _unheard,
) -> Guarded:
    """Make the store of a policy, behind a breaker; it is to be opened by its `open`.

    Args:
        state: the section of the policy.
        environ: environment, which names the folder of the default file.
        clock: Unix seconds.
        monotonic: monotonic seconds.
        failed: is told the operation of each call that failed.

    Raises:
        StoreUnavailableError: the user has no folder for the default file.
    """
    breaker = Breaker(monotonic, random.random)
    return Guarded(_store(state, environ, clock), breaker, failed)


def _store(state: State, environ: Mapping[str, str], clock: Callable[[], float]) -> Store:
    if state.store == "memory":
        from sidecar.adapters.stores.memory import MemoryStore

        return MemoryStore(clock)
    if state.store.startswith("sqlite:"):
        from sidecar.adapters.stores.sqlite.store import SqliteStore

        name = state.store.removeprefix("sqlite:")
        path = Path(name) if name else default_file(environ)
        return SqliteStore(path, clock, timeout=state.timeout)
    # The library costs megabytes: only who asks for Redis pays.
    from sidecar.adapters.stores.redis.store import RedisStore

    return RedisStore(state)


def default_file(environ: Mapping[str, str]) -> Path:
    """Name the SQLite file of a policy that names none.

    Args:
        environ: environment: `SIDECAR_STATE_DIR`, else `XDG_STATE_HOME`, else `HOME`.

    Raises:
        StoreUnavailableError: none of them is set.
    """
    if own := environ.get("SIDECAR_STATE_DIR"):
        return Path(own) / _FILE
    if states := environ.get("XDG_STATE_HOME"):
        return Path(states) / "sidecar" / _FILE
    if home := environ.get("HOME"):
        return Path(home) / ".local" / "state" / "sidecar" / _FILE
    raise StoreUnavailableError(
        "the state file has no folder: set state.store, SIDECAR_STATE_DIR or HOME"
    )
