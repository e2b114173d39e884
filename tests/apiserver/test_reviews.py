"""What an API server asks is what was recorded, and what it stores is what `sidecar inject` gives.

RECORD=1 writes the recorded reviews anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from sidecar import __version__
from tests.apiserver.cluster import PLAIN, TEAM, Cluster
from tests.apiserver.scenes import SCENES, Scene, a_pod, copied
from tests.apiserver.server import Answer, Ask, Tree
from tests.apiserver.webhook import IMAGE, POLICY, Exchanged, Pair, Wire, webhook, wire
from tests.corpora.reviews.recorded import FOLDER, NAMES, digest, read, sent, with_patch, write

IS_RECORDING: Final = os.environ.get("RECORD", "") == "1"
WORDS: Final = ("--image", IMAGE, "--policy", POLICY, "-f", "-")
SETTINGS: Final = {"version": __version__, "image": IMAGE, "policy": POLICY}
# What each object has of its own; the rest is the same each time.
OWN: Final = frozenset({
    "uid", "resourceVersion", "creationTimestamp", "managedFields", "clusterIP", "clusterIPs",
    "time", "selfLink",
})  # fmt: skip


@pytest.fixture(scope="module")
def between(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A wire between the API server and a webhook, both at work."""
    pair = Pair(tmp_path_factory.mktemp("webhook"))
    with (
        webhook(pair) as running,
        wire(pair, running.port) as passing,
        cluster.configured(cluster.configuration(passing.port, pair.bundle())),
    ):
        cluster.is_asked()
        yield passing


def plain(tree: Any) -> Any:  # noqa: ANN401 -- any tree
    """Leave out what differs from one object to the next."""
    if isinstance(tree, dict):
        own = OWN | {"name"} if "generateName" in tree else OWN
        return {key: plain(below) for key, below in tree.items() if key not in own}
    return [plain(one) for one in tree] if isinstance(tree, list) else tree


def played(scene: Scene, cluster: Cluster, between: Wire) -> tuple[Exchanged, Answer]:
    """Play a scene; give the one review of it, and what the API server said."""
    for ask in scene.before:
        assert cluster.server.ask(ask).status < 300
    between.taken()
    answer = cluster.server.ask(scene.asked)
    (seen,) = between.taken()
    return seen, answer


def recorded(scene: Scene, seen: Exchanged, answer: Answer, server: str) -> Tree:
    stored = {} if answer.tree["kind"] == "Status" else answer.tree
    if stored:
        stored["metadata"].pop("managedFields", None)
    return {
        "what": scene.what,
        "server": server,
        "settings": SETTINGS,
        "path": seen.path,
        "fields": {key: value for key, value in seen.fields.items() if key != "Host"},
        "request": json.loads(seen.request),
        "sha256": digest(seen.request),
        "response": with_patch(seen.answer),
        "status": answer.status,
        "warnings": answer.warnings,
        "message": answer.tree.get("message", ""),
        "stored": stored,
    }


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_an_api_server_asks_what_was_recorded(
    scene: Scene, cluster: Cluster, between: Wire
) -> None:
    seen, answer = played(scene, cluster, between)
    assert sent(json.loads(seen.request)) == seen.request
    now = recorded(scene, seen, answer, cluster.server.version())
    if IS_RECORDING:
        write(scene.name, now)
    known = read(scene.name)
    for name in ("what", "server", "path", "request", "response", "status", "message", "stored"):
        assert plain(now[name]) == plain(getattr(known, name)), name
    compare_with_inject(scene, answer, cluster)


def test_each_recorded_review_is_one_of_these() -> None:
    assert {scene.name for scene in SCENES} == {file.stem for file in FOLDER.glob("*.json")}
    assert NAMES or IS_RECORDING


def inject(tree: Tree) -> Tree | None:
    """Have `sidecar inject` do its work; None if it refuses."""
    done = subprocess.run(  # noqa: S603 -- our own words, no shell
        [sys.executable, "-m", "sidecar", "inject", *WORDS],
        input=json.dumps(tree).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def compare_with_inject(scene: Scene, answer: Answer, cluster: Cluster) -> None:
    """See that the same comes of it where the command did the work and nobody else is asked."""
    tree = inject(scene.asked.body if scene.asked.body.get("kind") else scene.before[0].body)
    assert (tree is None) == (answer.tree["kind"] == "Status")
    if tree is None:
        return
    path = scene.before[0].path if scene.asked.method != "POST" and scene.before else None
    path = path or scene.asked.path
    kinds = "pods" if tree["kind"] == "Pod" else "services"
    asked = Ask("POST", f"/api/v1/namespaces/{PLAIN}/{kinds}?dryRun=All", tree)
    stored = cluster.server.ask(asked)
    assert stored.status == 201, stored
    assert comparable(stored.tree) == comparable(answer.tree)


def comparable(tree: Tree) -> Tree:
    made: Tree = json.loads(json.dumps(plain(tree)).replace(f'"{PLAIN}"', f'"{TEAM}"'))
    if "volumes" in made["spec"]:
        # The account's token is mounted before the webhook's volumes, or after those of a manifest.
        made["spec"]["volumes"].sort(key=lambda one: one["name"])
    return made


@pytest.mark.usefixtures("between")
def test_a_pod_that_is_made_anew_from_a_stored_one_is_the_same(
    cluster: Cluster,
) -> None:
    path = f"/api/v1/namespaces/{TEAM}/pods"
    first = cluster.server.ask(Ask("POST", path, a_pod("first")))
    second = cluster.server.ask(Ask("POST", path, copied(first, "second")))
    assert plain(second.tree["spec"]) == plain(first.tree["spec"])
