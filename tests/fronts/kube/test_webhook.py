"""The webhook on real sockets, with real certificates that are replaced while it serves."""

import asyncio
import json
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
import trustme

from sidecar.cli.exit_codes import DONE, FAILED, USAGE
from sidecar.cli.main import invoke
from sidecar.fronts.kube import webhook as webhook_module
from sidecar.fronts.kube.bodies import BODY_BYTES, SMALL_BYTES
from sidecar.fronts.kube.webhook import Times
from sidecar.knowledge.kube.review import Decision, decide
from sidecar.knowledge.kube.wishes import Settings
from tests.fronts.kube.serving import NAME, SECONDS, TIMES, Place, serving
from tests.knowledge.kube.inputs import Tree
from tests.knowledge.kube.test_refusals import a_pod
from tests.knowledge.kube.test_review import UID, a_review, a_service
from tests.ports import free_port


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def in_place(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.key.parent)
    os.mkfifo("pipe")


async def posted(port: int, path: str, body: bytes, trust: ssl.SSLContext) -> tuple[int, Tree]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS)) as session,
        session.post(f"https://{NAME}:{port}{path}", data=BytesIO(body), ssl=trust) as answer,
    ):
        return answer.status, json.loads(await answer.read())


async def got(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS)) as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_pods_and_services_are_answered_counted_and_logged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sidecar.webhook")
    reviews = (
        ("/pods", a_review(a_pod(), dryRun=True), "injected"),
        ("/pods", a_review(a_pod(hostNetwork=True)), "refused"),
        ("/services", a_review(a_service(upstream_port="3000"), "Service"), "injected"),
        ("/services", a_review(a_service(), "Service"), "unchanged"),
    )
    async with serving(place) as webhook:
        port, probes = webhook.ports
        for path, review, result in reviews:
            body = json.dumps(review).encode()
            status, answer = await posted(port, path, body, place.trust())
            assert (status, answer["response"]["uid"]) == (200, UID)
            assert answer["response"]["allowed"] is (result != "refused")
            assert ("patch" in answer["response"]) is (result == "injected")
        _, text = await got(probes, "/metrics")
    assert 'sidecar_injections_total{kind="Pod",result="injected"} 1.0' in text
    assert 'sidecar_injections_total{kind="Pod",result="refused"} 1.0' in text
    assert 'sidecar_injections_total{kind="Service",result="unchanged"} 1.0' in text
    told = [vars(one) for one in caplog.records if one.getMessage() == "review"]
    assert [one["result"] for one in told] == [result for _, _, result in reviews]
    assert (told[0]["object"], told[0]["dry_run"], told[0]["uid"]) == ("Pod shop/orders", True, UID)
    assert "hostNetwork" in told[1]["reason"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/pods", b"{", 400, "this is no AdmissionReview"),
        ("/pods", b" " * (BODY_BYTES + 1), 413, "the review has more than 8 MiB"),
        ("/mutate", b"{}", 404, "Not Found"),
    ],
)
async def test_what_is_no_review_is_refused_in_the_form_of_one(
    path: str, body: bytes, status: int, said: str, place: Place
) -> None:
    async with serving(place) as webhook:
        came, answer = await posted(webhook.ports[0], path, body, place.trust())
    assert (came, answer["kind"]) == (status, "AdmissionReview")
    assert answer["response"]["allowed"] is False
    assert said in answer["response"]["status"]["message"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_probes_are_answered_without_tls_and_reviews_are_not(path: str, place: Place) -> None:
    async with serving(place) as webhook:
        assert await got(webhook.ports[1], path) == (200, '{"live": true}')
        assert (await got(webhook.ports[1], "/pods"))[0] == 404
        with pytest.raises(aiohttp.ClientError):
            await got(webhook.ports[0], path)


async def refused_by(place: Place, port: int) -> bool:
    """Tell whether an API server that believes the newest authority is served."""
    try:
        await posted(port, "/pods", b"{}", place.trust())
    except aiohttp.ClientConnectorCertificateError:
        return True
    return False


async def test_a_certificate_that_is_replaced_is_taken_without_a_restart(place: Place) -> None:
    async with serving(place) as webhook:
        port = webhook.ports[0]
        assert not await refused_by(place, port)
        place.issue()
        for _ in range(int(SECONDS / TIMES.look)):
            if not await refused_by(place, port):
                return
            await asyncio.sleep(TIMES.look)
    pytest.fail("the new certificate was not taken")


async def test_half_a_pair_is_not_taken_and_the_former_one_serves_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(place) as webhook:
        believed = place.trust()
        # The chain without its key: the half that a context takes before it finds what is missing.
        chain = trustme.CA().issue_cert(NAME).cert_chain_pems
        place.certificate.write_bytes(b"".join(pem.bytes() for pem in chain))
        for _ in range(int(SECONDS / TIMES.look)):
            if "the new certificate cannot be used" in caplog.text:
                break
            await asyncio.sleep(TIMES.look)
        else:
            pytest.fail("nobody was told")
        status, _ = await posted(webhook.ports[0], "/pods", b"{}", believed)
        assert status == 400


async def test_the_command_serves_until_it_is_told_to_end(place: Place) -> None:
    port, probes = free_port(), free_port()
    words = ["--certificate", str(place.certificate), "--key", str(place.key), "--policy", "orders"]
    words += ["--listen", f"127.0.0.1:{port}", "--health", f"127.0.0.1:{probes}"]
    words += ["--pin", "image", "--pin", "inject"]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar", "webhook", *words, stderr=asyncio.subprocess.PIPE
    )
    assert child.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            assert b"serving on" in await child.stderr.readline()
            body = json.dumps(a_review(a_pod())).encode()
            status, answer = await posted(port, "/pods", body, place.trust())
            assert (status, answer["response"]["allowed"]) == (200, True)
            line = json.loads(await child.stderr.readline())
            assert (line["result"], line["object"]) == ("injected", "Pod shop/orders")
            body = json.dumps(a_review(a_pod({"sidecar/inject": "false"}))).encode()
            _, answer = await posted(port, "/pods", body, place.trust())
            assert "has pinned this" in answer["response"]["status"]["message"]
            os.kill(child.pid, signal.SIGTERM)
            assert await child.wait() == DONE
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--key", "tls.key"], USAGE, "Missing option '--certificate'"),
        (["--certificate", "no.crt", "--key", "tls.key"], USAGE, "'no.crt' does not exist"),
        (["--certificate", "tls.crt", "--key", "tls.crt"], FAILED, "cannot be used: "),
        (["--certificate", "tls.crt", "--key", "pipe"], USAGE, "pipe: it is a pipe, not a file"),
        (
            ["--certificate", "tls.crt", "--key", "tls.key", "--listen", "8443"],
            USAGE,
            "--listen: '8443' is no address such as 0.0.0.0:8443",
        ),
        (
            ["--certificate", "tls.crt", "--key", "tls.key", "--health", "a:99999"],
            USAGE,
            "--health: 'a:99999' is no address",
        ),
        (
            ["--certificate", "tls.crt", "--key", "tls.key", "--pin", "injected"],
            USAGE,
            "Invalid value for '--pin': 'injected' is not one of",
        ),
    ],
)
@pytest.mark.usefixtures("in_place")
def test_a_mistake_is_one_readable_line(
    words: list[str], code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["webhook", *words]) == code
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


async def test_a_review_that_does_not_come_to_its_end_is_refused(place: Place) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with serving(place, Times(body=0.2)) as webhook, aiohttp.ClientSession() as session:
        url = f"https://{NAME}:{webhook.ports[0]}/pods"
        async with session.post(url, data=half(), ssl=place.trust()) as answer:
            said = json.loads(await answer.read())
    assert answer.status == HTTPStatus.REQUEST_TIMEOUT
    assert "did not come within 0.2 seconds" in said["response"]["status"]["message"]


async def test_a_failure_of_its_own_admits_nobody_and_shows_no_traceback(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No input is known that makes it fail: the failure is the test's."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(webhook_module, "decide", fail)
    async with serving(place) as webhook:
        review = json.dumps(a_review(a_pod())).encode()
        status, said = await posted(webhook.ports[0], "/pods", review, place.trust())
    assert status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert said["response"]["allowed"] is False
    assert "secret" not in json.dumps(said)
    assert "secret of the inside" in caplog.text


async def test_a_large_review_is_judged_beside_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which thread judges is asked of the function itself; what it says stays what it is."""
    threads: dict[bool, int] = {}

    def watched(body: bytes, kind: str, settings: Settings) -> Decision:
        threads[len(body) > SMALL_BYTES] = threading.get_ident()
        return decide(body, kind, settings)

    monkeypatch.setattr(webhook_module, "decide", watched)
    review = json.dumps(a_review(a_pod())).encode()
    async with serving(place) as webhook:
        for body in (review, review + b" " * SMALL_BYTES):
            status, said = await posted(webhook.ports[0], "/pods", body, place.trust())
            assert (status, said["response"]["allowed"]) == (200, True)
    assert threads[False] == threading.get_ident()
    assert threads[True] != threading.get_ident()
