"""security.txt and absent paths over the wire: answered here, on every host, before any route."""

import pytest

from tests.e2e.conftest import running
from tests.e2e.records import Entry, entries
from tests.e2e.wire import Echo, a_client, a_policy, a_service, get

SECURITY = {"contact": "mailto:security@example.com", "expires": "2027-06-30T00:00:00Z"}
TEXT = b"Contact: mailto:security@example.com\r\nExpires: 2027-06-30T00:00:00Z\r\n"
PATH = b"/.well-known/security.txt"


@pytest.mark.control("RT-3")
async def test_security_txt_is_served_on_every_host_and_by_no_upstream() -> None:
    echo = Echo.new()
    async with (
        a_service(echo) as service,
        running(a_policy(service.url, security_txt=SECURITY, absent={})) as proxy,
        a_client(proxy.port) as client,
    ):
        answer = await client.ask(get(PATH))
        assert (answer.status, answer.body) == (200, TEXT)
        assert answer.values(b"content-type") == [b"text/plain; charset=utf-8"]
        assert answer.values(b"x-content-type-options") == [b"nosniff"]
        head = await client.ask(get(PATH, method=b"HEAD"))
        assert (head.status, head.body) == (200, b"")
        assert head.values(b"content-length") == [b"%d" % len(TEXT)]
        gone = await client.ask(get(b"/favicon.ico"))
        assert (gone.status, gone.body) == (404, b"")
        assert gone.values(b"cache-control") == [b"public, max-age=86400"]
        # Any spelling that is the same path, and nothing else.
        assert (await client.ask(get(b"/.well-known/security%2Etxt"))).body == TEXT
        assert (await client.ask(get(b"/Favicon.ico"))).status == 200
        assert (await client.ask(get(PATH, method=b"POST"))).status == 200
        assert [request.start[0] for request in echo.requests] == [b"GET", b"POST"]
        assert (await entries(proxy))[:3] == [
            Entry("answered", 200, None, "security.txt"),
            Entry("answered", 200, None, "security.txt"),
            Entry("answered", 404, None, "path that the policy calls absent"),
        ]
        assert proxy.gauge("sidecar_security_txt_expires_timestamp_seconds") == 1_814_313_600


async def test_they_count_towards_the_limit_of_the_address() -> None:
    limits = {"address": {"limit": "2/min"}}
    async with (
        a_service(Echo.new()) as service,
        running(a_policy(service.url, security_txt=SECURITY, limits=limits)) as proxy,
        a_client(proxy.port) as client,
    ):
        found = [(await client.ask(get(PATH))).status for _ in range(3)]
        assert found == [200, 200, 429]
