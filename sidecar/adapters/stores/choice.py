"""Which store a policy names; only that one is imported."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.ports import Store
from sidecar.policy.schema.state import State

MEMORY: Final = "memory"
_SQLITE: Final = "sqlite:"


def store_of(section: State, clock: Callable[[], float], environ: Mapping[str, str]) -> Store:
    """Build the store of a policy; it is not open yet.

    Args:
        section: the policy's `state`.
        clock: gives Unix seconds.
        environ: says where the user's state folder is.

    Raises:
        StoreUnavailableError: there is no folder for a file without a name.
    """
    if section.store == MEMORY:
        return MemoryStore(clock)
    from sidecar.adapters.stores.sqlite.store import SqliteStore

    name = section.store.removeprefix(_SQLITE)
    path = Path(name) if name else state_file(environ)
    return SqliteStore(path, clock, timeout=section.timeout)


def state_file(environ: Mapping[str, str]) -> Path:
    """Return the file of a policy that names none: `sidecar/state.db` in the user's state folder.

    Raises:
        StoreUnavailableError: the environment names neither XDG_STATE_HOME nor HOME.

    Source: XDG Base Directory Specification 0.8.
    """
    folder = environ.get("XDG_STATE_HOME", "")
    if folder.startswith("/"):
        return Path(folder) / "sidecar" / "state.db"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        raise StoreUnavailableError("there is no folder for the state: name a file in state")
    return Path(home) / ".local" / "state" / "sidecar" / "state.db"
