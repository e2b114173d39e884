"""Rules about API keys: formats that could be confused, where keys are read, what protects them."""

from typing import Final

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged

_LEAST_PEPPER_BYTES: Final = 16
_LONGEST_FLOOR: Final = 5.0


def prefixes_coincide(judged: Judged) -> Findings:
    """Two formats with one prefix: a key would be of two kinds (AN-1)."""
    keys = judged.policy.authentication.api_keys
    seen: dict[str, int] = {}
    for index, one in enumerate(() if keys is None else keys.formats):
        if seen.setdefault(one.prefix, index) != index:
            yield judged.error(
                ("authentication", "api_keys", "formats", index, "prefix"),
                f"is the prefix of formats[{seen[one.prefix]}] too",
                "a prefix of its own for each format",
            )


def keys_read_nowhere(judged: Judged) -> Findings:
    """Keys that no request could carry, or that stand in URLs."""
    keys = judged.policy.authentication.api_keys
    path: Path = ("authentication", "api_keys")
    if keys is None:
        return
    if keys.query is not None:
        yield judged.warning(
            (*path, "query"),
            "keys in URLs end up in logs, histories and Referer",
            "header or bearer, and no query",
        )
    elif keys.header is None and not keys.bearer:
        yield judged.error(path, "keys are read from nowhere", "header: X-API-Key or bearer: true")


def keys_without_pepper(judged: Judged) -> Findings:
    """Keys whose digests anybody can compute who reads the store (AN-3)."""
    policy = judged.policy
    if policy.authentication.api_keys is not None and policy.secrets.pepper is None:
        yield judged.warning(
            ("authentication", "api_keys"),
            "keys are stored as plain SHA-256, for there is no pepper",
            "secrets: {pepper: file:PATH}, a file made by openssl rand -hex 32",
        )


def peppers(judged: Judged) -> Findings:
    """Peppers that are short, or written into the policy (AN-3)."""
    ring: Path = ("secrets", "pepper")
    for index, pepper in enumerate(judged.policy.secrets.pepper or ()):
        # One alone may stand without a list.
        path = ring if judged.source_of(ring) else (*ring, index)
        if len(pepper.reveal()) < _LEAST_PEPPER_BYTES:
            yield judged.error(
                path,
                f"the pepper has fewer than {_LEAST_PEPPER_BYTES} bytes and can be guessed",
                "one from openssl rand -hex 32",
            )
        if not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )


def password_in_the_open(judged: Judged) -> Findings:
    """A password of the state store that is written into the policy."""
    path: Path = ("state", "password")
    password = judged.policy.state.password
    if password is not None and not judged.source_of(path).startswith(("file:", "env:")):
        yield judged.warning(
            path,
            "a secret stands in the policy",
            "file:PATH or env:NAME keeps it out of version control and logs",
        )


def memory_of_several(judged: Judged) -> Findings:
    """Several processes, each with a memory of its own: a key of one would be unknown to others."""
    policy = judged.policy
    if policy.workers > 1 and policy.state.store == "memory":
        path: Path = ("state", "store") if judged.is_written(("state", "store")) else ("state",)
        yield judged.error(
            path,
            f"is a memory of one process, and workers is {policy.workers}",
            "state: sqlite:PATH or redis://host:6379/0, or workers: 1",
        )


def servers_nobody_asks(judged: Judged) -> Findings:
    """Several Redis servers where one is asked: the others would be no help."""
    state = judged.policy.state
    if state.topology == "single" and "," in state.store and state.store.startswith("redis"):
        path: Path = ("state", "store") if judged.is_written(("state", "store")) else ("state",)
        yield judged.error(
            path,
            "names several servers, of which topology: single asks the first alone",
            "topology: sentinel or cluster, or one server",
        )


def floor_too_high(judged: Judged) -> Findings:
    """A floor that keeps every mistyped key waiting, and its connection open (AN-5)."""
    if judged.policy.authentication.failure.floor > _LONGEST_FLOOR:
        yield judged.warning(
            ("authentication", "failure", "floor"),
            "every failed authentication waits that long and holds its connection",
            "a floor of 5s at most; 80ms hides what verifying costs",
        )
