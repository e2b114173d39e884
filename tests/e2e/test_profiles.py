"""The five profiles, each run as a sidecar and probed: what it says is what it enforces."""

import asyncio
import ssl
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import trustme
from yaml import safe_load

from sidecar.model.identity import KeyId, KeyStatus
from sidecar.policy.loaded import Loaded
from tests.conftest import ManualClock
from tests.corpora.reader import Message
from tests.e2e.conftest import load_policy, running
from tests.e2e.profiles import (
    NAMES,
    Probe,
    World,
    a_world,
    policy_over,
    precede,
    probes_of,
    sent,
)
from tests.e2e.records import Entry, entry_of
from tests.e2e.test_websockets import HANDSHAKE, opens, reads
from tests.e2e.wire import Echo, a_client, a_service, answers, get, post

FLOOR_SECONDS = 0.08
ASKED = {"auth.failure", "request", "tool.call"}
# AN-10: a revocation is in force everywhere within this time.
REVOKED_SECONDS = 5.0
# RS-3, as all five publish it.
FIELDS = {
    b"x-content-type-options": [b"nosniff"],
    b"x-frame-options": [b"DENY"],
    b"referrer-policy": [b"strict-origin-when-cross-origin"],
    b"cross-origin-opener-policy": [b"same-origin"],
    b"cross-origin-resource-policy": [b"same-origin"],
    b"server": [],
    b"x-powered-by": [],
    b"strict-transport-security": [],
}
COLUMN = {
    "edge-database": "AZ-3 AZ-4 AZ-7 RS-4 TN-4 TN-7",
    "interaction-api": "AN-3 AN-5 AN-6 AN-7 AZ-4 AZ-5 RL-1 RL-2 RQ-1 RQ-2 RS-4",
    "agent-platform": "AZ-1 AZ-2 RL-3 RL-6 RQ-3 RQ-5 TN-4 TN-5",
    "license-platform": "AN-8 AN-9 AZ-1 AZ-2 AZ-4 AZ-5 AZ-8 RQ-8",
    "agent-workspace": "AN-10 AN-13 AN-14 AZ-6 RL-4 TN-6 SE-1",
}
LIMITED = [name for name in NAMES if any(probe.after for probe in probes_of(name))]
HOUR_SECONDS = 3600.0
WORKSPACE = files("sidecar.policy") / "profiles" / "agent-workspace.yaml"
XSS = {"interaction-api": b"1; mode=block"}
YEAR = b"max-age=31536000; includeSubDomains"
HSTS = {"agent-workspace": YEAR + b"; preload"}


@pytest.mark.parametrize("profile", NAMES)
def test_the_copy_beside_the_examples_is_the_profile_of_the_package(profile: str) -> None:
    copy = Path(f"config/profiles/{profile}.yaml")
    shipped = files("sidecar.policy") / "profiles" / f"{profile}.yaml"
    assert copy.read_bytes() == shipped.read_bytes()


def test_there_are_no_other_copies() -> None:
    files = [file.name for file in Path("config/profiles").iterdir()]
    policies = [name for name in files if not name.endswith(".test.yaml")]
    assert sorted(policies) == sorted(f"{name}.yaml" for name in NAMES)


def laid_over(profile: str, folder: Path, **sections: object) -> Loaded:
    return load_policy(policy_over(profile, "http://127.0.0.1:3000", folder, **sections), folder)


@pytest.mark.parametrize("profile", NAMES)
def test_a_profile_loads_with_what_it_says_is_the_user_s_to_give(
    profile: str, tmp_path: Path
) -> None:
    secrets = {"pepper": "file:pepper", "master_key": "file:master"}
    assert laid_over(profile, tmp_path, secrets=secrets).warnings == ()


@pytest.mark.parametrize("profile", NAMES)
def test_every_control_of_a_profile_that_shows_in_an_answer_is_probed(profile: str) -> None:
    probes = probes_of(profile)
    probed = {probe.control for probe in probes}
    assert len(probes) >= 12
    assert {"AN-1", "TN-1", "TN-2", "TN-3", *COLUMN[profile].split()} - probed == set()


@pytest.mark.control(
    "AN-1", "AN-3", "AN-5", "AN-6", "AN-8", "AN-9", "AN-13", "RQ-1", "RS-3", "RS-4"
)
@pytest.mark.control("AZ-1", "AZ-2", "AZ-3", "AZ-4", "AZ-5", "AZ-6", "AZ-7", "AZ-8")
@pytest.mark.control("RQ-2", "RQ-3", "RQ-5", "RQ-6", "TN-1", "TN-2", "TN-3", "TN-4", "TN-5")
@pytest.mark.control("TN-6", "TN-7")
@pytest.mark.parametrize("profile", NAMES)
async def test_a_profile_answers_every_probe_as_the_table_says(
    profile: str, tmp_path: Path
) -> None:
    probes = [probe for probe in probes_of(profile) if not probe.after]
    answers, seconds = [], []
    async with a_world(profile, tmp_path) as world:
        for probe in probes:
            answer, took = await sent(world, probe)
            answers.append(answer)
            seconds.append(took)
        trail = await world.proxy.records()
    records = [entry_of(record) for record in trail if record["action"] in ASKED]
    assert differing(probes, answers, records) == {}
    assert overlooked(probes, world) == {}
    assert len({face_of(answer) for answer in answers if answer.status == 401}) == 1
    fields = FIELDS | {b"x-xss-protection": [XSS.get(profile, b"0")]}
    assert [a.start for a in answers if {n: a.values(n) for n in fields} != fields] == []
    if profile == "interaction-api":
        assert hasty(probes, seconds) == {}


def differing(
    probes: list[Probe], answers: list[Message], records: list[Entry]
) -> dict[Probe, tuple[int, str | None]]:
    """Collect the probes that were answered otherwise, or for another reason."""
    came = zip(probes, answers, records, strict=True)
    found = {probe: (answer.status, record.reason) for probe, answer, record in came}
    return {
        probe: (status, reason)
        for probe, (status, reason) in found.items()
        if status != probe.status or (reason or "") != (probe.said if status != 200 else "")
    }


def overlooked(probes: list[Probe], world: World) -> dict[Probe, list[str]]:
    """Collect the probes of which the service saw something else."""
    admitted = [probe for probe in probes if probe.status == 200]
    found = {}
    for probe, (service, request) in zip(admitted, world.seen, strict=True):
        wanted = [part.split(": ", 1) for part in probe.said.split("; ") if part]
        faults = [
            f"{name}: {values}"
            for name, value in wanted
            if not fits(
                value,
                values := [service.encode()]
                if name == "service"
                else request.values(name.encode().lower()),
            )
        ]
        if faults:
            found[probe] = faults
    return found


def fits(value: str, values: list[bytes]) -> bool:
    if value == "-":
        return values == []
    if value.endswith("*"):
        return len(values) == 1 and values[0].startswith(value[:-1].encode())
    return values == [value.encode()]


def face_of(answer: Message) -> tuple[object, ...]:
    """Return everything of an answer but what differs with time and request (AN-6)."""
    fields = [(name.lower(), value) for name, value in answer.fields]
    kept = tuple(field for field in fields if field[0] not in {b"date", b"x-request-id"})
    return answer.start, kept, answer.body


def hasty(probes: list[Probe], seconds: list[float]) -> dict[Probe, float]:
    """Collect outcomes of authentication that came before the floor (AN-5)."""
    judged = zip(probes, seconds, strict=True)
    return {p: took for p, took in judged if p.status in {200, 401, 403} and took < FLOOR_SECONDS}


CONSOLE = "https://console.example"
OWN = "https://app.acme.example"


@pytest.mark.control("RS-4")
@pytest.mark.parametrize(
    ("profile", "caller", "target", "origin", "is_readable"),
    [
        pytest.param("edge-database", "reader", "/v1/tables/a", OWN, True, id="a tenant's page"),
        pytest.param("edge-database", "other", "/v1/tables/a", OWN, False, id="another's page"),
        pytest.param("edge-database", "reader", "/v1/tables/a", CONSOLE, True, id="the console"),
        pytest.param("edge-database", "admin", "/storage/a", OWN, False, id="no control plane"),
        pytest.param("edge-database", "engine", "/engine/a", OWN, False, id="no engine"),
        pytest.param("edge-database", "admin", "/storage/a", CONSOLE, True, id="the control plane"),
        pytest.param("interaction-api", "reader", "/v1/interactions", OWN, True, id="its page"),
        pytest.param("interaction-api", "other", "/v1/interactions", OWN, False, id="a stranger's"),
        pytest.param("interaction-api", "reader", "/v1/interactions", CONSOLE, False, id="not all"),
        pytest.param("interaction-api", "other", "/v1/interactions", CONSOLE, True, id="no own"),
        pytest.param("interaction-api", "nobody", "/v1/interactions", OWN, False, id="nobody"),
    ],
)
async def test_a_page_reads_what_the_profile_says(  # noqa: PLR0913 -- a row of the table
    profile: str, caller: str, target: str, origin: str, tmp_path: Path, *, is_readable: bool
) -> None:
    probe = Probe("RS-4", caller, "GET", target, (f"Origin: {origin}",), 200, "")
    async with a_world(profile, tmp_path) as world:
        answer, _ = await sent(world, probe)
    allowed = [origin.encode()] if is_readable else []
    assert answer.values(b"access-control-allow-origin") == allowed
    assert answer.values(b"vary") == [b"Origin"]


@pytest.mark.control("AN-5", "RL-1", "RL-2", "RL-3", "RL-4", "RL-6")
@pytest.mark.parametrize("profile", LIMITED)
async def test_a_profile_refuses_the_very_request_that_is_one_too_many(
    profile: str, tmp_path: Path
) -> None:
    clock = ManualClock()
    listen = {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "trusted_proxies": ["127.0.0.0/8"]}
    async with a_world(profile, tmp_path, listen=listen) as world:
        counts_by(world, clock)
        for probe in probes_of(profile):
            if probe.after:
                clock.advance(HOUR_SECONDS)
                assert {answer.status for answer in await precede(world, probe)} == {200}, probe
                answer, took = await sent(world, probe)
                assert await outcome_of(answer, world) == (probe.status, probe.said)
                assert probe.control != "RL-2" or took >= FLOOR_SECONDS
                assert await returning(world, probe, answer, clock) == [probe.status, 200]


def counts_by(world: World, clock: ManualClock) -> None:
    """Have limits count by a clock that is moved."""
    counts = world.proxy.sidecar.proxy.outside.counts
    assert counts is not None
    counts.monotonic = clock


async def outcome_of(answer: Message, world: World) -> tuple[int, str]:
    """Say what became of a request, why, and when to come back."""
    trail = await world.proxy.records()
    [request_id] = answer.values(b"x-request-id")
    [reason] = [r["reason"] for r in trail if r["request_id"] == request_id.decode()]
    waits = [f"Retry-After: {wait.decode()}" for wait in answer.values(b"retry-after")]
    return answer.status, "; ".join([*([str(reason)] if reason else []), *waits])


async def returning(world: World, probe: Probe, answer: Message, clock: ManualClock) -> list[int]:
    """Come back a second before an answer says so, and again on time."""
    [wait] = answer.values(b"retry-after") or [b"1"]
    clock.advance(int(wait) - 1)
    early, _ = await sent(world, probe)
    clock.advance(1)
    on_time, _ = await sent(world, probe)
    return [early.status, on_time.status]


@pytest.mark.control("RL-4")
async def test_the_highest_plan_of_the_workspace_admits_50_000_a_minute_to_a_user(
    tmp_path: Path,
) -> None:
    # So many take half a minute over HTTP: most come as requests that count for a hundred each.
    dear = {"path": "/v1/workspaces/{tenant}/bulk", "role": "viewer", "cost": 100}
    routes = [*safe_load(WORKSPACE.read_bytes())["routes"], dear]
    probe = Probe("RL-4", "planned", "GET", "/v1/workspaces/acme/files", (), 429, "", 100)
    clock = ManualClock()
    async with a_world("agent-workspace", tmp_path, routes=routes) as world:
        counts_by(world, clock)
        bulk = await precede(world, replace(probe, target="/v1/workspaces/acme/bulk", after=499))
        single = await precede(world, probe)
        answer, _ = await sent(world, probe)
        came_back = await returning(world, probe, answer, clock)
    assert {one.status for one in (*bulk, *single)} == {200}
    assert len(bulk) * 100 + len(single) == 50_000
    assert (answer.status, answer.values(b"retry-after")) == (429, [b"60"])
    assert came_back == [429, 200]


@pytest.mark.control("RS-2")
@pytest.mark.parametrize("profile", NAMES)
async def test_every_answer_of_a_profile_has_a_nonce_that_the_service_knows(
    profile: str, tmp_path: Path
) -> None:
    async with a_world(profile, tmp_path) as world, a_client(world.proxy.port) as client:
        request = get(b"/healthz", b"X-CSP-Nonce: mine", b"x_csp_nonce: mine")
        answers = [await client.ask(request) for _ in range(2)]
        unknown = await client.ask(get(b"/nowhere"))
    nonces = [request.values(b"x-csp-nonce") for _, request in world.seen]
    said = [answer.values(b"content-security-policy") for answer in (*answers, unknown)]
    assert [len(policies) for policies in said] == [1, 1, 1]
    assert [[part for part in policy.split(b"; ") if b"script" in part] for [policy] in said] == [
        *([b"script-src 'nonce-" + nonce + b"' 'strict-dynamic'"] for [nonce] in nonces),
        [b"script-src 'strict-dynamic'"],
    ]
    assert len({nonce for [nonce] in nonces} - {b"mine"}) == 2


@pytest.mark.control("RQ-5")
async def test_cookies_of_the_platform_are_kept_from_other_sites(tmp_path: Path) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=7f3a; Domain=example\r\nContent-Length: 0\r\n\r\n"
    async with (
        a_world("agent-platform", tmp_path, answers(cookie)) as world,
        a_client(world.proxy.port) as client,
    ):
        signed_in = await client.ask(post(b"", b"/session", b"Sec-Fetch-Site: same-origin"))
    assert signed_in.values(b"set-cookie") == [b"sid=7f3a; Secure; HttpOnly; SameSite=Lax"]


@pytest.mark.control("RS-1")
@pytest.mark.parametrize("profile", NAMES)
async def test_a_profile_says_hsts_over_tls_of_the_newest_version_alone(
    profile: str, tmp_path: Path
) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "tls.pem"))
    tls = {"certificate": "tls.pem", "key": "tls.pem"}
    listen = {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0", "tls": tls}
    trust, old = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trust)
    authority.configure_trust(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with a_service(Echo()) as service:
        text = policy_over(profile, service.url, tmp_path, listen=listen)
        async with running(text, tmp_path) as proxy:
            async with a_client(proxy.port, trust) as client:
                answers = [await client.ask(get(path)) for path in (b"/healthz", b"/nowhere")]
            with pytest.raises((ssl.SSLError, ConnectionError)):
                async with a_client(proxy.port, old):
                    pass
    said = [(a.status, a.values(b"strict-transport-security")) for a in answers]
    assert said == [(status, [HSTS.get(profile, YEAR)]) for status in (200, 404)]


@pytest.mark.control("AN-2", "SE-1", "SE-2")
@pytest.mark.parametrize("profile", NAMES)
async def test_no_credential_can_be_read_from_the_state_of_a_profile(
    profile: str, tmp_path: Path
) -> None:
    async with a_world(profile, tmp_path) as world:
        keys = [
            line.split(b": ")[1] for name, line in world.credentials.items() if name != "nobody"
        ]
        files = await asyncio.to_thread(
            lambda: [f.read_bytes() for f in tmp_path.glob("state.db*")]
        )
    assert files
    assert [
        key for key in [*keys, b"sealed-7d1f"] if any(key in content for content in files)
    ] == []


@pytest.mark.control("AN-10", "AN-14")
async def test_a_websocket_of_the_workspace_ends_with_its_key(tmp_path: Path) -> None:
    async with (
        a_world("agent-workspace", tmp_path, opens(reads)) as world,
        a_client(world.proxy.port) as client,
    ):
        target = b"/v1/workspaces/acme/live"
        await client.send(get(target, world.credentials["agent"], *HANDSHAKE))
        assert b" 101 " in await client.head()
        record = await world.proxy.store.key(KeyId(world.key_ids["agent"]))
        assert record is not None
        gone = replace(record, status=KeyStatus.REVOKED, version=record.version + 1)
        assert await world.proxy.store.replace_key(gone)
        async with asyncio.timeout(REVOKED_SECONDS):
            await client.ended()
