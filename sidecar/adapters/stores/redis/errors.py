"""What went wrong with Redis, in words that an operator can act on."""

import re
from typing import Final

from redis import exceptions

from sidecar.model.errors import StoreUnavailableError

FOREIGN: Final = (
    exceptions.RedisError,
    exceptions.RedisClusterException,
    OSError,
    EOFError,
)
"""What the library raises when a server or the network fails."""

# Codes of answers, wherever they stand: older servers wrap what a script met in words of their own.
_CODES: Final = {
    "READONLY": "the server is a read-only replica",
    "NOREPLICAS": "the master has lost its replicas",
    "OOM": "the server is out of memory",
    "MISCONF": "the server cannot save to its disk",
    "LOADING": "the server is loading its state",
    "CLUSTERDOWN": "the cluster is down",
    "TRYAGAIN": "the cluster is moving the keys",
    "MOVED": "the cluster has moved the keys",
    "MASTERDOWN": "the replica has lost its master",
    "NOAUTH": "the server wants a user and a password, or refuses those that it got",
    "WRONGPASS": "the server wants a user and a password, or refuses those that it got",
    "NOPERM": "the user may not do what the store needs",
    # What a script may not do has no code: the words of Valkey and Redis 7, and those of Redis 6.
    "ACL failure in script": "the user may not do what the store needs",
    "The user executing the script": "the user may not do what the store needs",
    "EVICTS": "the server may evict keys: set its maxmemory-policy to noeviction",
    "SCHEMA": "the store is of another version of the sidecar",
    "BUSY": "the server is busy with a script",
}
_CODE: Final = re.compile(rf"\b(?:{'|'.join(_CODES)})\b")

# The library takes the code off some answers and raises a class of its own. The first match counts.
_CLASSES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.ReadOnlyError, _CODES["READONLY"]),
    (exceptions.OutOfMemoryError, _CODES["OOM"]),
    (exceptions.BusyLoadingError, _CODES["LOADING"]),
    (exceptions.MovedError, _CODES["MOVED"]),
    (exceptions.AskError, _CODES["TRYAGAIN"]),
    (exceptions.TryAgainError, _CODES["TRYAGAIN"]),
    (exceptions.ClusterDownError, _CODES["CLUSTERDOWN"]),
    (exceptions.SlotNotCoveredError, _CODES["CLUSTERDOWN"]),
    (exceptions.MasterDownError, _CODES["MASTERDOWN"]),
    (exceptions.NoPermissionError, _CODES["NOPERM"]),
    (exceptions.AuthenticationError, _CODES["WRONGPASS"]),
    (exceptions.TimeoutError, "the store did not answer in time"),
)


_DEPOSED: Final = (exceptions.MovedError, exceptions.ReadOnlyError, exceptions.ClusterDownError)
_DEPOSED_CODE: Final = re.compile(r"\b(?:READONLY|NOREPLICAS|CLUSTERDOWN)\b")


def is_deposed(error: Exception) -> bool:
    """Tell whether a server did nothing since it is no master, or none that may be believed."""
    return isinstance(error, _DEPOSED) or bool(_DEPOSED_CODE.search(str(error)))


def unavailable(error: Exception) -> StoreUnavailableError:
    """Translate an error of the library; its text may name addresses and goes no further."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return StoreUnavailableError("the server's certificate is not trusted")
    for kind, reason in _CLASSES:
        if isinstance(error, kind):
            return StoreUnavailableError(reason)
    if "No master found" in text:
        return StoreUnavailableError("the Sentinels know no master")
    if isinstance(error, exceptions.ConnectionError | exceptions.RedisClusterException | OSError):
        return StoreUnavailableError("the server cannot be reached")
    found = _CODE.search(text)
    reason = _CODES[found[0]] if found else "the server answered with an error"
    return StoreUnavailableError(reason)
