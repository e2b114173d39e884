"""Who reads what belongs to a tenant raises an alert; who is in a record can be hidden (AU-5)."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.knowledge.audit.pseudonyms import address_pseudonym, email_pseudonym
from sidecar.model.secret import Secret
from tests.corpora.reader import Message
from tests.e2e.audit_house import House, a_house
from tests.e2e.callers import a_key, a_record
from tests.e2e.wire import Peer, a_service, get, ok, post

pytestmark = pytest.mark.control("AU-5")

STAFF = a_key("staff")
KEY = b"X-API-Key: " + STAFF.encode()
SECRET = b"0123456789abcdef0123456789abcdef"
PSEUDONYMS = b"a key of pseudonyms, long enough"


async def records_of(house: House, action: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in await house.lines()]
    return [record for record in found if record["action"] == action]


@asynccontextmanager
async def alerting(folder: Path, **audit: object) -> AsyncIterator[House]:
    async with a_house(folder, audit={"alerts": {}, **audit}) as house:
        record = a_record("staff", STAFF, "owner", "staff", subject="ann@example.com")
        assert await house.proxy.store.add_key(record)
        yield house


async def test_what_staff_gets_of_a_tenant_raises_an_alert_beside_the_record(
    tmp_path: Path,
) -> None:
    async with alerting(tmp_path) as house:
        await house.ask(get(b"/keys?q=1", KEY))
        [alert] = await records_of(house, "alert.staff_access")
        [request] = await records_of(house, "request")
    assert alert["request_id"] == request["request_id"]
    for name in ("tenant_id", "user_id", "actor", "ip_address", "resource_id"):
        assert alert[name] == request[name] is not None
    details = alert["metadata"]["details"]
    assert details == {"roles": ["staff"], "method": "GET", "status": 200}


@pytest.mark.parametrize(
    ("request_bytes", "alerts"),
    [
        pytest.param(post(b"{}", b"/keys", KEY), 1, id="a write"),
        pytest.param(get(b"/scoped", KEY), 0, id="refused"),
        pytest.param(get(b"/api", KEY), 0, id="public"),
        pytest.param(get(b"/nowhere", KEY), 0, id="nowhere"),
        pytest.param(get(b"/keys", b"X-API-Key: " + a_key("good").encode()), 0, id="no staff"),
        pytest.param(b"GET /keys HTTP/1.1\r\n\r\n", 0, id="unreadable"),
    ],
)
async def test_an_alert_is_raised_for_nothing_else(
    request_bytes: bytes, alerts: int, tmp_path: Path
) -> None:
    async with alerting(tmp_path) as house:
        await house.ask(request_bytes)
        assert len(await records_of(house, "alert.staff_access")) == alerts


async def test_without_alerts_in_the_policy_there_are_none(tmp_path: Path) -> None:
    async with a_house(tmp_path, audit={}) as house:
        record = a_record("staff", STAFF, "owner", "staff")
        assert await house.proxy.store.add_key(record)
        await house.ask(get(b"/keys", KEY))
        await house.operate(b"GET", b"/v1/keys")
        actions = [json.loads(line)["action"] for line in await house.lines()]
    assert [action for action in actions if action.startswith("alert.")] == []


@pytest.mark.parametrize(
    ("path", "tenant", "resource"),
    [
        (b"/v1/keys", None, ("key", "*")),
        (b"/v1/keys?tenant=acme", "acme", ("key", "*")),
        (b"/v1/keys/%s", "acme", ("key", "%s")),
        (b"/v1/tenants", None, ("tenant", "*")),
        (b"/v1/tenants/globex", "globex", ("tenant", "globex")),
        (b"/v1/secrets?tenant=globex", "globex", ("secret", "*")),
    ],
)
async def test_an_operator_who_reads_of_tenants_raises_an_alert(
    path: bytes, tenant: str | None, resource: tuple[str, str], tmp_path: Path
) -> None:
    async with alerting(tmp_path) as house:
        made = await house.operate(b"POST", b"/v1/keys", tenant="acme")
        identity = str(made["id"])
        await house.operate(b"GET", path.replace(b"%s", identity.encode()))
        [alert] = await records_of(house, "alert.admin_access")
    assert (alert["actor"], alert["tenant_id"]) == ("ops", tenant)
    assert alert["resource_type"] == resource[0]
    assert alert["resource_id"] == resource[1].replace("%s", identity)


async def test_an_operator_who_found_nothing_raises_none(tmp_path: Path) -> None:
    async with alerting(tmp_path) as house:
        await house.operate(b"GET", b"/v1/tenants/nobody")
        await house.operate(b"GET", b"/v1/blocks")
        assert await records_of(house, "alert.admin_access") == []


# --- the webhook


class Taker:
    """Takes alerts: answers with each status in turn, and with 204 when there is none left."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: list[Message] = []
        self.arrived = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while peer.waiting or await peer.more():
            self.taken.append(await peer.request())
            status = self.statuses.pop(0) if self.statuses else 204
            self.arrived.set()
            await peer.send(ok(0).replace(b"200 OK", b"%d -" % status))

    async def came(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.taken) < number:
                self.arrived.clear()
                await self.arrived.wait()


def webhook(url: object) -> Mapping[str, object]:
    secret = f"whsec_{base64.b64encode(SECRET).decode()}"
    return {"alerts": {"webhook": {"url": f"{url}/alerts", "secret": secret}}}


async def test_an_alert_is_sent_signed_as_it_is_recorded(tmp_path: Path) -> None:
    taker = Taker()
    async with a_service(taker) as service, alerting(tmp_path, **webhook(service.url)) as house:
        await house.ask(get(b"/keys", KEY))
        await taker.came(1)
        [line] = [one for one in await house.lines() if b"alert.staff_access" in one]
    [sent] = taker.taken
    assert sent.start[:2] == (b"POST", b"/alerts")
    assert json.loads(sent.body) == {
        name: value
        for name, value in json.loads(line).items()
        if name not in {"writer", "seq", "hash"}
    }
    [name], [at] = sent.values(b"webhook-id"), sent.values(b"webhook-timestamp")
    assert name.decode() == json.loads(line)["id"]
    digest = hmac.new(SECRET, b"%b.%b.%b" % (name, at, sent.body), hashlib.sha256).digest()
    assert sent.values(b"webhook-signature") == [b"v1," + base64.b64encode(digest)]


async def test_an_alert_that_was_not_taken_is_sent_again(tmp_path: Path) -> None:
    taker = Taker(503)
    async with a_service(taker) as service, alerting(tmp_path, **webhook(service.url)) as house:
        await house.ask(get(b"/keys", KEY))
        await taker.came(2)
        assert await records_of(house, "alert.undelivered") == []
    first, second = taker.taken
    assert first.values(b"webhook-id") == second.values(b"webhook-id")
    assert first.body == second.body


async def test_a_webhook_that_is_away_holds_nobody_up_and_stands_in_the_audit(
    tmp_path: Path,
) -> None:
    async with alerting(tmp_path, **webhook("http://127.0.0.1:1")) as house:
        assert (await house.ask(get(b"/keys", KEY))).status == 200
        await house.proxy.sidecar.proxy.audit.close()
        trail = [json.loads(line) for line in house.trail.read_bytes().splitlines()]
        assert house.proxy.gauge("sidecar_alert_failures_total") == 1
    [alert] = [one for one in trail if one["action"] == "alert.staff_access"]
    [failure] = [one for one in trail if one["action"] == "alert.undelivered"]
    assert (failure["resource_id"], failure["outcome"]) == (alert["id"], "refused")
    assert "cannot be asked" in failure["reason"]


async def test_alerts_beyond_the_bound_are_counted(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def waits(peer: Peer) -> None:
        await peer.request()
        await gate.wait()

    async with a_service(waits) as service, alerting(tmp_path, **webhook(service.url)) as house:
        for _ in range(260):
            await house.operate(b"GET", b"/v1/tenants/globex")
        alarm = house.proxy.sidecar.proxy.audit.alarm
        assert alarm is not None
        assert alarm.failed == 4
        gate.set()


# --- pseudonyms


async def test_who_is_in_a_record_is_hidden_where_the_policy_says_so(tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(PSEUDONYMS)
    key = Secret(PSEUDONYMS)
    async with alerting(tmp_path, pseudonyms={"key": "file:names"}) as house:
        await house.ask(get(b"/keys", KEY))
        await house.ask(get(b"/nowhere"))
        await house.operate(b"POST", b"/v1/tokens/revoke", sub="Ann@example.com")
        lines = await house.lines()
        [alert] = await records_of(house, "alert.staff_access")
        [revoked] = await records_of(house, "token.revoke")
    for line in lines:
        assert b"127.0.0.1" not in line
        assert b"@example.com" not in line
    assert alert["ip_address"] == address_pseudonym(key, "127.0.0.1")
    assert alert["user_id"] == email_pseudonym(key, "ann@example.com")
    assert alert["actor"] == "id-staff"
    assert revoked["resource_id"] == alert["user_id"]


async def test_who_is_hidden_is_found_by_whoever_may_read_the_trail(tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(PSEUDONYMS)
    async with alerting(tmp_path, pseudonyms={"key": "file:names"}) as house:
        await house.ask(get(b"/keys", KEY))
        await house.lines()
        for name in (b"address=127.0.0.1", b"actor=Ann@example.com"):
            page = await house.operate(b"GET", b"/v1/audit?action=request&" + name)
            assert isinstance(page["lines"], list)
            assert len(page["lines"]) == 1
        lines = b"".join(await house.lines())
    assert b"audit.read" in lines
    assert b"127.0.0.1" not in lines
    assert b"xample.com" not in lines


@pytest.mark.parametrize(
    ("section", "address", "email"),
    [({"addresses": False}, True, False), ({"emails": False}, False, True)],
)
async def test_each_kind_can_be_left_as_it_is(
    section: Mapping[str, bool], tmp_path: Path, *, address: bool, email: bool
) -> None:
    (tmp_path / "names").write_bytes(PSEUDONYMS)
    async with alerting(tmp_path, pseudonyms={"key": "file:names", **section}) as house:
        await house.ask(get(b"/keys", KEY))
        [alert] = await records_of(house, "alert.staff_access")
    assert (alert["ip_address"] == "127.0.0.1") is address
    assert (alert["user_id"] == "ann@example.com") is email
