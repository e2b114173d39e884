"""The container as it is documented, in a pod beside an application."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from tests.image.builders import BASE, Containers
from tests.image.pods import Pod, a_pod, is_healthy, serving, until

POLICY: Final = """\
version: 1
upstream: http://127.0.0.1:3000
secrets: {pepper: "file:pepper"}
authentication: {api_keys: {formats: [{kind: secret, prefix: sk_live}]}}
audit: {sinks: [{file: /var/log/sidecar/audit.jsonl}]}
routes:
  - {path: /open/**, public: true}
  - {path: /slow, public: true}
  - {path: /**, role: viewer}
tenants: {acme: {}}
"""
# Answers a path with what it was asked; /slow, when it was asked for a second.
APP: Final = """\
import http.server, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            print("arrived", flush=True)
            time.sleep(3)
        body = ("app " + self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 3000), Answer).serve_forever()
"""
PROXY: Final = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def pod(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """An application and a sidecar that share loopback, state and audit in volumes."""
    folder = tmp_path_factory.mktemp("policy")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "pepper").write_text("a pepper of thirty-two bytes, or more")
    with a_pod(containers, "both") as found:
        found.start("app", BASE, "/usr/bin/python3", "-c", APP, options=("--user=1000",))
        volumes = ("state:/var/lib/sidecar", "audit:/var/log/sidecar")
        serving(found, str(folder), *(f"--volume={volume}" for volume in volumes))
        yield found


def test_it_answers_for_the_application_beside_it(pod: Pod) -> None:
    assert pod.get("app", f"{PROXY}/open/1") == (200, "app /open/1")
    status, body = pod.get("app", f"{PROXY}/closed")
    assert (status, json.loads(body)["status"]) == (401, 401)


def test_it_has_no_right_that_it_was_not_given(pod: Pod) -> None:
    status = Path(f"/proc/{pod.pid('sidecar')}/status").read_text()
    told = dict(line.split(":\t", 1) for line in status.splitlines())
    assert told["Uid"].split() == ["65532"] * 4
    assert told["Gid"].split() == ["65532"] * 4
    assert told["NoNewPrivs"] == "1"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(told[kind], 16) == 0


def test_it_can_write_in_its_volumes_and_in_tmp_only(pod: Pod) -> None:
    probing = (
        "import os, sys\n"
        "for at, _, _ in os.walk('/'):\n"
        "    if at.split('/')[1] in ('proc', 'sys', 'dev'): continue\n"
        "    try: os.close(os.open(at + '/.probe', os.O_CREAT | os.O_WRONLY))\n"
        "    except OSError: continue\n"
        "    os.unlink(at + '/.probe'); print(at)\n"
    )
    found = set(pod.inside("sidecar", "/opt/sidecar/bin/python", "-c", probing).split())
    assert found == {"/tmp", "/var/lib/sidecar", "/var/log/sidecar"}  # noqa: S108 -- the container's


def test_its_state_and_its_trail_are_in_its_volumes(pod: Pod) -> None:
    made = pod.inside(
        "sidecar", "/opt/sidecar/bin/sidecar", "keys", "create", "--tenant", "acme",
        "--role", "viewer", "--policy", "/etc/sidecar/policy.yaml",
    )  # fmt: skip
    assert "sk_live" in made
    pod.get("app", f"{PROXY}/open/noted")
    trail = "/var/log/sidecar/audit.jsonl"
    reading = f"print(open('{trail}').read())"
    until(lambda: "/open/noted" in pod.inside("sidecar", "/usr/bin/python3", "-c", reading))
    pod.inside("sidecar", "/opt/sidecar/bin/sidecar", "audit", "verify", trail)
    listing = "import os; print(*os.listdir('/var/lib/sidecar'))"
    assert pod.inside("sidecar", "/usr/bin/python3", "-c", listing).split()


def test_the_health_check_of_the_image_says_that_it_is_healthy(pod: Pod) -> None:
    assert pod.inside("sidecar", "/opt/sidecar/bin/sidecar", "health") == "ready\n"
    assert is_healthy(pod)


def test_sigterm_lets_a_request_end_and_then_ends_it(pod: Pod) -> None:
    """The last of this file: it ends the sidecar."""
    with ThreadPoolExecutor() as others:
        slow = others.submit(pod.get, "app", f"{PROXY}/slow")
        until(lambda: "arrived" in pod.containers.logs("app"))
        assert threading.active_count() > 1
        pod.containers.podman("stop", "--time=20", "sidecar")
        assert slow.result(timeout=30) == (200, "app /slow")
    assert pod.told("sidecar", "State")["ExitCode"] == 0
    assert not is_healthy(pod)
