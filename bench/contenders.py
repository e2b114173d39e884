"""Who is measured: how each is found, configured and started, and what it enforces."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Final

from bench.callers import Callers, Method
from bench.certificate import Certificate
from bench.policy import guarded_routes_text, routes_text
from bench.processes import BenchError, free_port

ROOT: Final = Path(__file__).parents[1]
CONFIGS: Final = Path(__file__).parent / "configs"
# What the upstream answers to everything but uploads and downloads.
ANSWER: Final = (
    '{"id":"4711","status":"shipped","total":"129.90","currency":"EUR","items":[{"sku":"A-17",'
    '"count":2},{"sku":"B-4","count":1}],"customer":"c-99","placed":"2026-01-31T10:15:00Z"}'
)
_VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)?[\w.+]*")
_HEADERS: Final = "removes identity headers, adds forwarding and response security headers"


class ConfigTemplate(Template):
    """A configuration file with `@{name}` to fill in, since `$` belongs to nginx."""

    delimiter = "@"


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy that can be measured.

    Attributes:
        name: the word that `--only` takes.
        title: its name in the table.
        enforces: what it does for a request, so that figures compare like with like.
        command: arguments, with {program}, {python}, {folder}, {port}, {upstream}, {root}.
        program: the executable to look for; None for those that run on the bench's interpreter.
        configs: files of `bench/configs` that are filled in and written to its folder.
        version: arguments that make the program (or interpreter) print a version.
        environment: variables for the process.
        tls: what `@{tls}` is when it ends TLS, with {chain}, {key}, {both}; empty if it is not
            measured so.
        method: how callers prove to it who they are; None where it does not ask.
        settings: further names to fill in, with {callers}, {secret} and {redis}.
        counts: whether it has rate limits.
        is_apart: whether only a part of the bench that is about it measures it.
    """

    name: str
    title: str
    enforces: str
    command: tuple[str, ...]
    version: tuple[str, ...]
    program: str | None = None
    configs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tls: str = ""
    method: Method | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False
    is_apart: bool = False


NGINX: Final = Contender(
    name="nginx",
    title="nginx",
    enforces="nothing, it passes through: the practical limit",
    program="nginx",
    command=("{program}", "-e", "stderr", "-c", "{folder}/nginx.conf"),
    configs=("nginx.conf",),
    version=("-v",),
    tls=" ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3",
)
SIDECAR: Final = Contender(
    name="sidecar",
    title="Sidecar",
    enforces=(
        f"strict framing, path rules, 50 routes with default deny, body caps; {_HEADERS}; request "
        "id; audit record of every request to a file; metrics"
    ),
    command=("{python}", "-P", "-m", "sidecar", "run", "sidecar.yaml"),
    configs=("sidecar.yaml",),
    version=("-P", "-c", "import sidecar; print(sidecar.__version__)"),
    tls="tls: {{certificate: {chain}, key: {key}}}",
)
AIOHTTP: Final = Contender(
    name="aiohttp",
    title="aiohttp, the plain way",
    enforces="nothing: `web.Application` and `ClientSession` on uvloop",
    command=("{python}", "{root}/bench/aiohttp_proxy.py", "{port}", "{upstream}"),
    version=("-c", "import aiohttp; print(aiohttp.__version__)"),
)
CONTENDERS: Final = (
    NGINX,
    SIDECAR,
    Contender(
        name="haproxy",
        title="HAProxy",
        enforces=f"{_HEADERS}; request id; no access log",
        program="haproxy",
        command=("{program}", "-db", "-f", "{folder}/haproxy.cfg"),
        configs=("haproxy.cfg",),
        version=("-v",),
        tls=" ssl crt {both} ssl-min-ver TLSv1.3",
    ),
    Contender(
        name="envoy",
        title="Envoy",
        enforces=f"path normalisation; {_HEADERS}; request id; statistics; no access log",
        program="envoy",
        command=(
            *("{program}", "-c", "{folder}/envoy.yaml", "--concurrency", "1"),
            *("--disable-hot-restart", "--log-level", "error"),
        ),
        configs=("envoy.yaml",),
        version=("--version",),
    ),
    Contender(
        name="traefik",
        title="Traefik",
        enforces=f"{_HEADERS}; no access log, no metrics",
        program="traefik",
        command=("{program}", "--configFile={folder}/traefik.yaml"),
        configs=("traefik.yaml", "traefik.routes.yaml"),
        version=("version",),
        environment={"GOMAXPROCS": "1"},
    ),
    AIOHTTP,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one contender runs, and in front of what.

    Attributes:
        folder: its own.
        port: where it listens on loopback.
        upstream: port of the upstream.
        python: interpreter of those in Python.
        certificate: its certificate, where clients speak TLS to it.
        callers: who asks, where callers are known.
        redis: URL of a server for those that keep their state there.
    """

    folder: Path
    port: int
    upstream: int
    python: Path
    certificate: Certificate | None
    callers: Callers | None = None
    redis: str = ""


def find_program(name: str) -> str | None:
    """Look for a program on PATH, where Debian keeps daemons, and in the peers' environment."""
    folders = (ROOT / ".venv-peers/bin", Path(sys.prefix) / "bin", "/usr/sbin", "/usr/local/sbin")
    return shutil.which(name) or shutil.which(name, path=":".join(map(str, folders)))


def absence(contender: Contender) -> str | None:
    """Say why a contender cannot take part, or None if it can."""
    if contender.program is None or find_program(contender.program):
        return None
    return f"{contender.program} is not installed here"


def version_of(contender: Contender, python: Path) -> str:
    """Ask a contender for its version; `unknown` rather than an error."""
    program = find_program(contender.program) if contender.program else str(python)
    if program is None:
        return "absent"
    asked = subprocess.run(  # noqa: S603 - our own commands, no shell
        [program, *contender.version],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        cwd=ROOT,
    )
    found = _VERSION.search(asked.stdout + asked.stderr)
    return found[0] if found else "unknown"


def prepare(contender: Contender, place: Place) -> list[str]:
    """Write a contender's configuration and return its command."""
    files = asdict(place.certificate) if place.certificate else {}
    for name in contender.configs:
        tls = contender.tls.format_map(files) if files else ""
        write_config(name, place, tls=tls, **_settings(contender, place))
    program = find_program(contender.program) if contender.program else ""
    if program is None:
        raise BenchError(f"{contender.program} is not installed here")
    values = {
        "program": program,
        "python": place.python,
        "root": ROOT,
        "folder": place.folder,
        "port": place.port,
        "upstream": place.upstream,
    }
    return [argument.format_map(values) for argument in contender.command]


def _settings(contender: Contender, place: Place) -> dict[str, str]:
    callers = place.callers
    if callers is None:
        return {}
    known = {"callers": callers.folder, "secret": callers.secret, "redis": place.redis}
    filled = {name: text.format_map(known) for name, text in contender.settings.items()}
    return {"callers": str(callers.folder), **filled}


def write_config(name: str, place: Place, *, tls: str, **settings: str) -> None:
    """Fill in one file of `bench/configs`, where its name ends in `.in`."""
    template = ConfigTemplate((CONFIGS / f"{name}.in").read_text())
    text = template.substitute(
        folder=place.folder,
        port=place.port,
        upstream=place.upstream,
        admin=free_port(),
        answer=ANSWER,
        routes=routes_text(),
        guarded_routes=guarded_routes_text(),
        tls=tls,
        **settings,
    )
    (place.folder / name).write_text(text)
