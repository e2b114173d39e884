"""The annotations of a pod's template: what its owner wants of the sidecar."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.kube.tree import ManifestError, Path, Tree, words

PREFIX: Final = "sidecar/"
INJECT: Final = "sidecar/inject"
INJECTED: Final = "sidecar/injected"
"""Written by the injector: the version that put the sidecar in."""
POLICY: Final = "sidecar/policy"
IMAGE: Final = "sidecar/image"
APP: Final = "sidecar/app"
UPSTREAM_PORT: Final = "sidecar/upstream-port"
LISTEN_ENV: Final = "sidecar/listen-env"
PROXY_PORT: Final = "sidecar/proxy-port"
HEALTH_PORT: Final = "sidecar/health-port"
REDIS_SECRET: Final = "sidecar/redis-secret"  # noqa: S105 -- the name of an annotation
SECRET_FILES: Final = "sidecar/secret-files"  # noqa: S105 -- the name of an annotation
SECRET_ENV: Final = "sidecar/secret-env"  # noqa: S105 -- the name of an annotation
READINESS_PATH: Final = "sidecar/readiness-path"

PROXY: Final = 8080
HEALTH: Final = 9902
LOOPBACK: Final = "127.0.0.1"

CPU: Final = "100m"
MEMORY: Final = "128Mi"
MEMORY_LIMIT: Final = "256Mi"
"""As in the chart's values, where the measured figures stand."""

MOST: Final = 64
"""In a list: each entry is a volume or a variable of the pod, many times as long as it is."""

_OF_CHART: Final = "sidecar/policy-sha256"
_KNOWN: Final = frozenset(
    {INJECT, INJECTED, POLICY, IMAGE, APP, UPSTREAM_PORT, LISTEN_ENV, PROXY_PORT, HEALTH_PORT}
    | {REDIS_SECRET, SECRET_FILES, SECRET_ENV, READINESS_PATH, _OF_CHART}
)
PINNABLE: Final = tuple(sorted(one.removeprefix(PREFIX) for one in _KNOWN - {INJECTED, _OF_CHART}))
"""Annotations that whoever runs the injector may keep for themselves."""
_NAME: Final = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_OBJECT: Final = re.compile(_NAME)
_FILES: Final = re.compile(rf"({_NAME})=(/[^:,=\s]+)")
_ENV: Final = re.compile(rf"({_VARIABLE})=({_NAME})/([A-Za-z0-9._-]+)")
_LISTEN: Final = re.compile(rf"({_VARIABLE})(?:=(127\.0\.0\.1(?::[0-9]{{1,5}})?))?")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*")
_PORT_OR_NAME: Final = re.compile(r"[0-9]{1,5}|[a-z0-9-]{1,15}")
_READINESS: Final = re.compile(r"/readyz|/livez")
_LAST_PORT: Final = 65535
_OWN_VARIABLE: Final = re.compile(
    r"SIDECAR_(?:POLICY|STATE_DIR|UPSTREAM_PORT)|PATH|(?:PYTHON|LD_).*"
)
"""What says which policy, code and port it is."""
_OWN_FOLDERS: Final = (
    ("etc", "sidecar"),
    ("var", "lib", "sidecar"),
    ("var", "log", "sidecar"),
    *((one,) for one in ("bin", "dev", "lib", "lib64", "opt", "proc", "sbin", "sys", "usr")),
)
"""Policy, state and audit, and what the image's program and the system are in."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What whoever runs the injector says for all pods.

    Attributes:
        version: of this program; it is noted in each pod.
        image: of the sidecar.
        policy: name of the ConfigMap with `policy.yaml`, for pods that name none; empty for none.
        redis_secret: name of a Secret with the keys `url` and `password`; empty for none.
        pull_policy: when the image is fetched.
        cpu: what the sidecar asks for, as Kubernetes writes it.
        memory: likewise.
        memory_limit: what it may have at most.
        pinned: names of annotations, without `sidecar/`, that pods may not have.
    """

    version: str
    image: str
    policy: str = ""
    redis_secret: str = ""
    pull_policy: str = "IfNotPresent"
    cpu: str = CPU
    memory: str = MEMORY
    memory_limit: str = MEMORY_LIMIT
    pinned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one pod's sidecar is to be.

    Attributes:
        policy: name of the ConfigMap.
        image: of the sidecar.
        app: name of the container behind it; empty for the only one.
        upstream_port: number or name of the port behind it; empty for the only one.
        listen_env: a variable of that container and what it is set to; None for none.
        proxy_port: where the sidecar listens.
        health_port: where it answers probes.
        redis_secret: as in the settings.
        secret_files: names of Secrets, and where they are mounted.
        secret_env: variable, Secret, key.
        readiness_path: what the readiness probe asks.
    """

    policy: str
    image: str
    app: str
    upstream_port: str
    listen_env: tuple[str, str] | None
    proxy_port: int
    health_port: int
    redis_secret: str
    secret_files: tuple[tuple[str, str], ...]
    secret_env: tuple[tuple[str, str, str], ...]
    readiness_path: str


class _Reader:
    """Annotations, each read once by its own grammar."""

    def __init__(self, notes: Mapping[str, str], path: Path) -> None:
        self._notes = notes
        self._path = path

    def refuse(self, key: str, message: str, mend: str) -> ManifestError:
        return ManifestError((*self._path, "annotations", key), message, mend)

    def one(self, key: str, pattern: re.Pattern[str], example: str) -> str:
        """Read a text; empty where there is none."""
        value = self._notes.get(key, "")
        if key in self._notes and not pattern.fullmatch(value):
            raise self.refuse(key, f"{value!r} cannot be used", f'as in {key}: "{example}"')
        return value

    def several(
        self, key: str, pattern: re.Pattern[str], example: str
    ) -> tuple[tuple[str, ...], ...]:
        """Read a list with commas."""
        value = self._notes.get(key, "")
        parts = [part.strip() for part in value.split(",")] if key in self._notes else []
        if len(parts) > MOST:
            raise self.refuse(key, f"{len(parts)} are too many", f"name {MOST} at most")
        found = [pattern.fullmatch(part) for part in parts]
        if None in found:
            raise self.refuse(key, f"{value!r} cannot be used", f'as in {key}: "{example}"')
        return tuple(match.groups() for match in found if match)

    def port(self, key: str, usual: int) -> int:
        """Read the number of a port."""
        value = self._notes.get(key, str(usual))
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 1023 < int(value) <= _LAST_PORT:  # noqa: PLR2004 -- below 1024 only root may listen
            raise self.refuse(key, f"{value!r} is no port from 1024", f'as in {key}: "{usual}"')
        return int(value)


def is_opted_out(metadata: Tree, path: Path) -> bool:
    """Tell whether a pod or a Service wants no sidecar, by annotation or by label.

    Raises:
        ManifestError: the word is neither "true" nor "false".
    """
    for place in ("annotations", "labels"):
        said = words(metadata, place, path).get(INJECT, "true")
        if said not in {"true", "false"}:
            mend = f'{INJECT}: "false" leaves it out'
            raise ManifestError((*path, place, INJECT), f"{said!r} is no answer", mend)
        if said == "false":
            return True
    return False


def wishes(metadata: Tree, settings: Settings, path: Path) -> Wishes:
    """Read what a pod's template asks for.

    Args:
        metadata: of the template.
        settings: what holds where it says nothing.
        path: where the metadata stands.

    Raises:
        ManifestError: an annotation is not known, or cannot be used, or no policy is named.
    """
    notes = words(metadata, "annotations", path)
    reader = _Reader(notes, path)
    _judge_names(notes, reader.refuse)
    _judge_pins(notes, settings, reader.refuse)
    policy = reader.one(POLICY, _OBJECT, "orders-sidecar") or settings.policy
    if not policy:
        mend = f'name the ConfigMap with policy.yaml: {POLICY}: "orders-sidecar", or --policy'
        raise reader.refuse(POLICY, "there is no policy", mend)
    asked = Wishes(
        policy=policy,
        image=reader.one(IMAGE, _IMAGE, settings.image) or settings.image,
        app=reader.one(APP, _OBJECT, "orders"),
        upstream_port=reader.one(UPSTREAM_PORT, _PORT_OR_NAME, "3000"),
        listen_env=_listen_env(reader),
        proxy_port=reader.port(PROXY_PORT, PROXY),
        health_port=reader.port(HEALTH_PORT, HEALTH),
        redis_secret=reader.one(REDIS_SECRET, _OBJECT, "redis") or settings.redis_secret,
        secret_files=tuple(
            (secret, folder)
            for secret, folder in reader.several(SECRET_FILES, _FILES, "sidecar-keys=/secrets")
        ),
        secret_env=tuple(
            (variable, secret, key)
            for variable, secret, key in reader.several(SECRET_ENV, _ENV, "PEPPER=keys/pepper")
        ),
        readiness_path=reader.one(READINESS_PATH, _READINESS, "/livez") or "/readyz",
    )
    if asked.proxy_port == asked.health_port:
        mend = f"let listen.proxy and listen.health of the policy, {PROXY_PORT} and it differ"
        raise reader.refuse(HEALTH_PORT, f"{asked.health_port} is the proxy's port too", mend)
    _judge_secrets(asked, reader)
    return asked


def _judge_secrets(asked: Wishes, reader: _Reader) -> None:
    """Refuse secrets in the place of the policy, or of the program itself."""
    for variable, _, _ in asked.secret_env:
        if _OWN_VARIABLE.fullmatch(variable):
            said = f"{variable} is the sidecar's own"
            raise reader.refuse(SECRET_ENV, said, f'as in {SECRET_ENV}: "PEPPER=keys/pepper"')
    for _, folder in asked.secret_files:
        if _covers(tuple(step for step in folder.split("/") if step not in {"", "."})):
            said = f"{folder} is the sidecar's own"
            raise reader.refuse(SECRET_FILES, said, f'as in {SECRET_FILES}: "keys=/secrets"')


def _covers(folder: tuple[str, ...]) -> bool:
    """Tell whether a folder is one of the sidecar's own, or lies in one, or holds one."""
    return ".." in folder or any(folder[: len(own)] == own[: len(folder)] for own in _OWN_FOLDERS)


def _listen_env(reader: _Reader) -> tuple[str, str] | None:
    """Read `HOST`, which becomes 127.0.0.1, or `LISTEN=127.0.0.1:3000`."""
    if not reader.one(LISTEN_ENV, _LISTEN, "HOST"):
        return None
    ((variable, value),) = reader.several(LISTEN_ENV, _LISTEN, "HOST")
    return variable, value or LOOPBACK


def _judge_names(
    notes: Mapping[str, str], refuse: Callable[[str, str, str], ManifestError]
) -> None:
    for key in notes:
        if not key.startswith(PREFIX) or key in _KNOWN:
            continue
        words_known = sorted(one.removeprefix(PREFIX) for one in _KNOWN)
        near = difflib.get_close_matches(key.removeprefix(PREFIX), words_known, n=1)
        listed = ", ".join(f"{PREFIX}{word}" for word in near or words_known)
        mend = f"is {listed} meant?" if near else f"known are {listed}"
        raise refuse(key, "there is no such annotation", mend)


def _judge_pins(
    notes: Mapping[str, str], settings: Settings, refuse: Callable[[str, str, str], ManifestError]
) -> None:
    """Refuse what is not for a pod to say; `sidecar/inject` here says what holds anyhow."""
    for key in notes:
        name = key.removeprefix(PREFIX)
        if key not in {name, INJECT} and name in settings.pinned:
            said = "whoever runs the injector has pinned this"
            raise refuse(key, said, "take it out; they say it for all pods")
