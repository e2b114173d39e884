"""Choose the store that a policy names; what another kind needs is not imported."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sidecar.model.ports import Store
from sidecar.policy.schema.state import State

SQLITE: Final = "sqlite:"
_FILE: Final = "state.db"


def open_store(state: State, environ: Mapping[str, str], clock: Callable[[], float]) -> Store:
    """Make the store of a policy; `Store.open` connects it.

    Args:
        state: the section of the policy.
        environ: environment variables, which say where the user's state folder is.
        clock: Unix seconds.
    """
    if state.store == "memory":
        from sidecar.adapters.stores.memory import MemoryStore

        return MemoryStore(clock)
    if state.store.startswith(SQLITE):
        from sidecar.adapters.stores.sqlite.store import SqliteStore

        return SqliteStore(path_of(state.store, environ), clock, timeout=state.timeout)
    from sidecar.adapters.stores.redis.store import RedisStore

    return RedisStore(state)


def path_of(store: str, environ: Mapping[str, str]) -> Path:
    """Find the file of `sqlite:PATH`, or of `sqlite:` alone in the user's state folder.

    The folder is `$SIDECAR_STATE_DIR`, else `sidecar` in `$XDG_STATE_HOME`, else in
    `~/.local/state` (XDG Base Directory Specification 0.8).
    """
    if named := store.removeprefix(SQLITE):
        return Path(named)
    if own := environ.get("SIDECAR_STATE_DIR"):
        return Path(own) / _FILE
    if shared := environ.get("XDG_STATE_HOME"):
        return Path(shared) / "sidecar" / _FILE
    return Path(environ.get("HOME", ".")) / ".local" / "state" / "sidecar" / _FILE
