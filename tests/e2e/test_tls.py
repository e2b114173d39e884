"""TLS towards clients and upstreams, and upstreams behind Unix sockets."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.e2e.conftest import Running, running
from tests.e2e.records import entries
from tests.e2e.wire import Echo, Peer, a_client, a_policy, a_service, get, ok

HSTS = b"strict-transport-security"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def server(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """Files of a certificate for localhost."""
    return files(authority.issue_cert("localhost", "127.0.0.1"), tmp_path, "server")


def files(issued: trustme.LeafCert, folder: Path, name: str) -> dict[str, str]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    for position, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(certificate), append=position > 0)
    issued.private_key_pem.write_to_path(str(key))
    return {"certificate": str(certificate), "key": str(key)}


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# --- towards clients


@asynccontextmanager
async def guarded(server: dict[str, str], **timeouts: str) -> AsyncIterator[Running]:
    listen = {"tls": server, "timeouts": timeouts}
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url, listen=listen)) as proxy,
    ):
        yield proxy


async def test_tls_ends_at_the_sidecar_and_hsts_is_said(
    authority: trustme.CA, server: dict[str, str]
) -> None:
    echo = Echo()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, listen={"tls": server})) as proxy,
        a_client(proxy.port, trusting(authority)) as client,
    ):
        for _ in range(2):
            answer = await client.ask(get(b"/hello"))
            assert answer.body == b"/hello"
            assert answer.values(HSTS) == [b"max-age=31536000; includeSubDomains"]
        assert echo.requests[0].values(b"x-forwarded-proto") == [b"https"]
        refused = await client.ask(get(b"//"))
        assert refused.values(HSTS) != []
        malformed = await client.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert (malformed.status, len(malformed.values(HSTS))) == (400, 1)


async def test_hsts_is_never_said_over_clear_text() -> None:
    async with (
        a_service(Echo()) as service,
        running(a_policy(service.url)) as proxy,
        a_client(proxy.port) as client,
    ):
        for target in (b"/", b"//"):
            assert (await client.ask(get(target))).values(HSTS) == []


@pytest.mark.parametrize(("minimum", "is_served"), [("1.3", False), ("1.2", True)])
async def test_an_old_version_of_tls_is_spoken_only_where_the_policy_says_so(
    authority: trustme.CA, server: dict[str, str], minimum: str, *, is_served: bool
) -> None:
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with guarded({**server, "min_version": minimum}) as proxy:
        if is_served:
            async with a_client(proxy.port, old) as client:
                assert (await client.ask(get())).status == 200
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with a_client(proxy.port, old):
                    pass
        await proxy.rests()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_that_does_not_end_is_cut_off(
    server: dict[str, str], said: bytes
) -> None:
    async with guarded(server, head="300ms") as proxy, a_client(proxy.port) as client:
        await client.send(said)
        await client.ended()
        await proxy.rests()


async def test_large_bodies_pass_both_ways_over_tls(
    authority: trustme.CA, server: dict[str, str]
) -> None:
    size = 8 << 20

    async def serve(peer: Peer) -> None:
        await peer.head()
        await peer.exactly(size)
        await peer.send(ok(size), bytes(size))

    async with (
        a_service(serve) as service,
        running(a_policy(service.url, listen={"tls": server}, body={"max": "1GB"})) as proxy,
        a_client(proxy.port, trusting(authority)) as client,
    ):
        await client.send(get(b"/", b"Content-Length: %d" % size, method=b"POST"), bytes(size))
        await client.head()
        assert len(await client.exactly(size)) == size


async def test_a_client_that_closes_its_tls_leaves_without_a_line_in_the_log(
    authority: trustme.CA, server: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """TLS has no half-closed connections here; whoever pretends gets a warning per client."""
    arrived = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.reader.read()

    with caplog.at_level(logging.INFO):
        async with (
            a_service(serve) as service,
            running(a_policy(service.url, listen={"tls": server})) as proxy,
        ):
            async with a_client(proxy.port, trusting(authority)) as client:
                await client.send(get())
                await arrived.wait()
            await proxy.rests()
            await service.lost(1)
            assert [entry.outcome for entry in await entries(proxy)] == ["abandoned"]
    assert [record.message for record in caplog.records if record.name != "sidecar.audit"] == []


# --- towards upstreams


def speaking(
    issued: trustme.LeafCert, client_authority: trustme.CA | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    if client_authority is not None:
        client_authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def before(tls: ssl.SSLContext, **section: str) -> AsyncIterator[Running]:
    """Run a sidecar before a service that speaks TLS."""
    async with a_service(Echo(), tls=tls) as service:
        upstream = {"url": f"https://localhost:{service.port}", "tls": section}
        async with running(a_policy(upstream)) as proxy:
            yield proxy


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    return str(tmp_path / "ca.crt")


async def test_an_upstream_with_a_good_certificate_is_asked_again_on_its_connection(
    authority: trustme.CA, ca_file: str
) -> None:
    tls = speaking(authority.issue_cert("localhost"))
    async with before(tls, ca=ca_file) as proxy, a_client(proxy.port) as client:
        for _ in range(2):
            assert (await client.ask(get(b"/x"))).body == b"/x"
        assert proxy.gauge("sidecar_upstream_connections", "idle") == 1


async def test_an_upstream_is_verified_by_the_name_that_the_policy_gives(
    authority: trustme.CA, ca_file: str
) -> None:
    tls = speaking(authority.issue_cert("app.internal"))
    async with (
        before(tls, ca=ca_file, server_name="app.internal") as proxy,
        a_client(proxy.port) as client,
    ):
        assert (await client.ask(get(b"/x"))).body == b"/x"


@pytest.mark.parametrize("fault", ["unknown authority", "wrong name", "expired", "no TLS at all"])
async def test_an_upstream_that_cannot_be_verified_gets_no_byte(
    authority: trustme.CA, ca_file: str, fault: str
) -> None:
    echo = Echo()
    issuer = trustme.CA() if fault == "unknown authority" else authority
    name = "elsewhere.example" if fault == "wrong name" else "localhost"
    until = datetime.now(UTC) - timedelta(days=1) if fault == "expired" else None
    tls = None if fault == "no TLS at all" else speaking(issuer.issue_cert(name, not_after=until))

    async def answers_in_the_clear(peer: Peer) -> None:
        await peer.more()
        await peer.send(ok(0))

    serve = echo if tls else answers_in_the_clear
    async with a_service(serve, tls=tls) as service:
        upstream = {"url": f"https://localhost:{service.port}", "tls": {"ca": ca_file}}
        async with running(a_policy(upstream)) as proxy, a_client(proxy.port) as client:
            answer = await client.ask(get())
            assert answer.status == 503
            [entry] = await entries(proxy)
            assert entry[:3] == ("failed", 503, "UPSTREAM_UNAVAILABLE")
            assert str(entry.reason).startswith("TLS failed: ")
            client.close()
            await proxy.rests()
    assert echo.requests == []


async def test_the_sidecar_shows_its_own_certificate_to_an_upstream_that_wants_one(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    tls = speaking(authority.issue_cert("localhost"), authority)
    ours = files(authority.issue_cert("sidecar"), tmp_path, "client")
    async with before(tls, ca=ca_file, **ours) as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get(b"/x"))).body == b"/x"
    async with before(tls, ca=ca_file) as proxy, a_client(proxy.port) as client:
        assert (await client.ask(get(b"/x"))).status in {502, 503}


async def test_an_upstream_behind_a_unix_socket_is_asked_like_any_other(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")
    echo = Echo()
    async with (
        a_service(echo, path=path) as service,
        running(a_policy({"url": f"unix://{path}", "host": "upstream"})) as proxy,
        a_client(proxy.port) as client,
    ):
        for _ in range(2):
            assert (await client.ask(get(b"/x"))).body == b"/x"
        assert service.connections == 1
        assert echo.requests[0].values(b"host") == [b"localhost"]
