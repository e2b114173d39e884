"""From a client's token to the rows of its tenant: sidecar, example and PostgreSQL, all real."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import jwt
import pytest

from tests.e2e.conftest import Running, running
from tests.e2e.wire import a_policy
from tests.examples.apps import COMMANDS, HEADER, Application
from tests.examples.apps import running as running_app
from tests.examples.assertions import OTHER_SEED, SEED, a_signer, an_assertion
from tests.examples.conftest import a_port
from tests.examples.postgres import Postgres
from tests.policy.test_assertion import HEAD, a_pem

ISSUER = "https://idp.example"
SECRET = b"what the issuer and the sidecar share, 32 bytes and more"


@pytest.fixture(autouse=True)
def rows(postgres: Postgres) -> Iterator[None]:
    with closing(postgres.connect("postgres")) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO orders (tenant_id, item) VALUES ('acme', 'a'), ('globex', 'b')")
        connection.commit()
        yield
        cursor.execute("TRUNCATE orders")
        connection.commit()


@pytest.fixture(scope="module")
def admin_port() -> int:
    return a_port()


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def app(
    request: pytest.FixtureRequest, postgres: Postgres, admin_port: int
) -> Iterator[Application]:
    """Run an example that will ask the sidecar for its keys."""
    keys = f"http://127.0.0.1:{admin_port}/jwks.json"
    with running_app(request.param, postgres, keys, POOL_SIZE="1") as application:
        yield application


@pytest.fixture
def policy(tmp_path: Path, app: Application, admin_port: int) -> str:
    """Write the policy in front of it, and the files that it names."""
    (tmp_path / "assertion.pem").write_bytes(a_pem(HEAD + SEED))
    (tmp_path / "shared").write_bytes(SECRET)
    issuer = {
        "issuer": ISSUER,
        "audiences": ["orders"],
        "algorithms": ["HS256"],
        "secret": f"file:{tmp_path / 'shared'}",
        "claims": {"tenant": "org", "roles": "roles"},
    }
    return a_policy(
        f"http://127.0.0.1:{app.port}",
        listen={"admin": f"127.0.0.1:{admin_port}"},
        state="memory",
        authentication={"jwt": [issuer]},
        tenants={"acme": {}, "globex": {}},
        assertion={"key": f"file:{tmp_path / 'assertion.pem'}", "audience": "orders"},
        routes=[{"path": "/**", "role": "viewer"}],
    )


def a_token(tenant: str) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "orders", "sub": "alice", "iat": now, "exp": now + 60}
    return jwt.encode({**claims, "org": tenant, "roles": ["viewer"]}, SECRET, "HS256")


async def ask(
    sidecar: Running, tenant: str, target: str = "/orders", **fields: str
) -> tuple[int, object]:
    """Ask through the sidecar, as a client of a tenant."""
    proxy = Application("proxy", sidecar.port)
    bearer = {"Authorization": f"Bearer {a_token(tenant)}", **fields}
    return await asyncio.to_thread(proxy.ask, "GET", target, None, None, bearer)


def tenants_in(document: object) -> set[str]:
    assert isinstance(document, list)
    return {row["tenant_id"] for row in document}


@pytest.mark.control("TN-3")
@pytest.mark.control("TN-4")
async def test_each_tenant_sees_its_rows_alone(policy: str) -> None:
    async with running(policy) as sidecar:
        for tenant in ("acme", "globex", "acme"):
            status, document = await ask(sidecar, tenant)
            assert (status, tenants_in(document)) == (200, {tenant})


async def test_what_the_service_verifies_is_what_the_client_sent(policy: str) -> None:
    async with running(policy) as sidecar:
        for target in ("/orders?", "/%6frders?limit=%41+b&limit=2", "/orders?a=/../b?c"):
            assert (await ask(sidecar, "acme", target))[0] == 200


async def test_an_assertion_of_the_clients_own_never_arrives(policy: str) -> None:
    forged = an_assertion("globex", signer=a_signer(OTHER_SEED))
    stolen = an_assertion("globex")
    async with running(policy) as sidecar:
        for assertion in (forged, stolen):
            for name in (HEADER, HEADER.lower(), HEADER.replace("-", "_")):
                status, document = await ask(sidecar, "acme", **{name: assertion})
                assert (status, tenants_in(document)) == (200, {"acme"})


async def test_past_the_sidecar_nobody_gets_in(policy: str, app: Application) -> None:
    bearer = {"Authorization": f"Bearer {a_token('acme')}", "X-Tenant-Id": "acme"}
    async with running(policy):
        asked = await asyncio.to_thread(app.ask, "GET", "/orders", None, None, bearer)
        assert asked == (401, None)
