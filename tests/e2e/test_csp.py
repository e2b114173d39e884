"""Content-Security-Policy over real sockets: the nonce of the answer is the one that was told."""

import pytest

from tests.e2e.conftest import running
from tests.e2e.wire import Peer, a_client, a_policy, a_service, get

pytestmark = pytest.mark.control("RS-2")

STRICT = {"script-src": ["nonce", "'strict-dynamic'"], "base-uri": ["'none'"]}


async def a_page(peer: Peer) -> None:
    """Serve pages whose scripts have the nonce that came, and a policy of their own."""
    while peer.waiting or await peer.more():
        request = await peer.request()
        body = b"|".join(request.values(b"x-csp-nonce"))
        await peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Security-Policy: img-src 'none'\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def test_page_and_field_have_one_nonce_and_each_answer_its_own() -> None:
    async with (
        a_service(a_page) as upstream,
        running(a_policy(upstream.url, csp=STRICT)) as proxy,
        a_client(proxy.port) as client,
    ):
        forged = (b"X-CSP-Nonce: evil", b"X_CSP_NONCE: evil")
        answers = [await client.ask(get(b"/", *forged)) for _ in range(3)]
    assert len({answer.body for answer in answers}) == 3
    for answer in answers:
        own, ours = answer.values(b"content-security-policy")
        assert own == b"img-src 'none'"
        assert ours == (
            b"script-src 'nonce-" + answer.body + b"' 'strict-dynamic'; base-uri 'none'"
        )
        assert len(answer.body) == 24


async def test_a_route_has_a_policy_of_its_own_and_one_that_only_reports() -> None:
    routes = [
        {"path": "/admin", "public": True, "csp": {"enforce": "default-src 'none'"}},
        {"path": "/**", "public": True},
    ]
    csp = {"enforce": "default-src 'self'", "report_only": STRICT, "upstream": "replace"}
    async with (
        a_service(a_page) as upstream,
        running(a_policy(upstream.url, csp=csp, routes=routes)) as proxy,
        a_client(proxy.port) as client,
    ):
        page = await client.ask(get(b"/"))
        admin = await client.ask(get(b"/admin"))
    assert page.values(b"content-security-policy") == [b"default-src 'self'"]
    assert admin.values(b"content-security-policy") == [b"default-src 'none'"]
    [reported] = page.values(b"content-security-policy-report-only")
    assert b"'nonce-" + page.body + b"'" in reported
