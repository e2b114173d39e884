"""Cross-site writes over real sockets: refused before the service hears of them."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.e2e.conftest import running
from tests.e2e.records import entries
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get, post

pytestmark = pytest.mark.control("RQ-5")

COOKIE = b"Cookie: sid=7f3a"


async def test_a_form_of_another_site_is_refused_and_never_reaches_the_service() -> None:
    service = Echo()
    text = b"Content-Type: text/plain"
    async with (
        a_service(service) as upstream,
        running(a_policy(upstream.url, csrf={})) as proxy,
        a_client(proxy.port) as client,
    ):
        refused = [
            await client.ask(post(b"x=1", b"/pay", COOKIE, text, *lines))
            for lines in (
                [b"Sec-Fetch-Site: cross-site", b"Origin: https://evil.example"],
                [b"Origin: https://evil.example"],
                [b"Origin: null"],
                [],
            )
        ]
        admitted = [
            await client.ask(post(b"x=1", b"/pay", COOKIE, text, b"Sec-Fetch-Site: same-origin")),
            await client.ask(post(b"x=1", b"/pay", COOKIE, b"Origin: http://a.example")),
            await client.ask(post(b"x=1", b"/pay")),
            await client.ask(get(b"/page", COOKIE, b"Sec-Fetch-Site: cross-site")),
        ]
        trail = await entries(proxy)
    assert [
        (a.status, b'"code": "CSRF"' in a.body or b'"code":"CSRF"' in a.body) for a in refused
    ] == [(403, True)] * 4
    assert [a.status for a in admitted] == [200] * 4
    assert [entry.reason for entry in trail[:4]] == [
        "Sec-Fetch-Site says cross-site",
        "Origin is another one",
        "Origin is null",
        "neither Sec-Fetch-Site, Origin nor Referer is there",
    ]
    assert {(entry.outcome, entry.status, entry.code) for entry in trail[:4]} == {
        ("refused", 403, "CSRF")
    }


async def test_what_another_site_causes_uses_up_nobody_s_limit() -> None:
    tiers = {"anonymous": {"limit": "1/min", "by": "address"}}
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, csrf={}, tiers=tiers)) as proxy,
        a_client(proxy.port) as client,
    ):
        forged = [
            await client.ask(post(b"x=1", b"/pay", COOKIE, b"Sec-Fetch-Site: cross-site"))
            for _ in range(3)
        ]
        own = await client.ask(post(b"x=1", b"/pay", COOKIE, b"Sec-Fetch-Site: same-origin"))
        spent = await client.ask(post(b"x=1", b"/pay", COOKIE, b"Sec-Fetch-Site: same-origin"))
    assert [answer.status for answer in forged] == [403] * 3
    assert (own.status, spent.status) == (200, 429)


async def test_a_stranger_s_name_for_this_address_is_no_route_where_routes_have_a_host() -> None:
    rebound = post(b"x", b"/pay", b"Origin: http://evil.example", b"Sec-Fetch-Site: same-origin")
    rebound = rebound.replace(b"Host: a.example", b"Host: evil.example")
    route = {"path": "/**", "public": True}
    async with a_service(Echo()) as upstream:
        for host, status in (({}, 200), ({"host": "a.example"}, 404)):
            policy = a_policy(upstream.url, csrf="all", routes=[{**route, **host}])
            async with running(policy) as proxy, a_client(proxy.port) as client:
                assert (await client.ask(rebound)).status == status


async def test_a_websocket_of_another_site_is_refused() -> None:
    async with (
        a_service(opens(reads)) as upstream,
        running(a_policy(upstream.url, csrf={})) as proxy,
    ):
        async with a_client(proxy.port) as client:
            request = get(b"/live", COOKIE, *HANDSHAKE, b"Origin: https://evil.example")
            hijack = await client.ask(request)
        async with a_client(proxy.port) as client:
            await client.send(get(b"/live", COOKIE, *HANDSHAKE, b"Origin: http://a.example"))
            own = await client.head()
    assert hijack.status == 403
    assert b" 101 " in own


async def test_over_tls_the_clear_origin_of_the_same_host_is_another(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "tls.pem"))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    tls = {"certificate": str(tmp_path / "tls.pem"), "key": str(tmp_path / "tls.pem")}
    async with (
        a_service(Echo()) as upstream,
        running(a_policy(upstream.url, csrf={}, listen={"tls": tls})) as proxy,
        a_client(proxy.port, trust) as client,
    ):
        clear = await client.ask(post(b"", b"/", COOKIE, b"Origin: http://a.example"))
        own = await client.ask(post(b"", b"/", COOKIE, b"Origin: https://a.example"))
    assert (clear.status, own.status) == (403, 200)


async def test_a_trusted_proxy_says_what_the_client_sees() -> None:
    said = (b"X-Forwarded-Proto: https", b"X-Forwarded-Host: shop.example")
    listen = {"trusted_proxies": ["127.0.0.0/8"]}
    async with a_service(Echo()) as upstream:
        request = post(b"", b"/", COOKIE, b"Origin: https://shop.example", *said)
        async with (
            running(a_policy(upstream.url, csrf={}, listen=listen)) as proxy,
            a_client(proxy.port) as client,
        ):
            believed = await client.ask(request)
        async with (
            running(a_policy(upstream.url, csrf={})) as proxy,
            a_client(proxy.port) as client,
        ):
            forged = await client.ask(request)
    assert (believed.status, forged.status) == (200, 403)
