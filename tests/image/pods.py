"""Pods as Kubernetes has them: containers that share one loopback, each in files of its own."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.image.builders import IMAGE, Containers

# As docs/howto/container.md has it; what podman would add to a read-only file system is left out.
CONFINED: Final = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges",
)  # fmt: skip
PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod without a way out: its network is a loopback of its own.

    Attributes:
        containers: where it is.
        name: its name.
    """

    containers: Containers
    name: str

    def start(self, name: str, image: str, *words: str, options: Sequence[str] = ()) -> None:
        """Start one of its containers in the background."""
        self.containers.podman(
            "run", "--detach", f"--pod={self.name}", f"--name={name}", *CONFINED, *options,
            image, *words,
        )  # fmt: skip

    def pid(self, container: str) -> int:
        """Give the process of a container, as the machine numbers it."""
        return int(self.told(container, "State")["Pid"])

    def told(self, container: str, about: str) -> dict[str, int]:
        """Ask podman about a container."""
        (found,) = json.loads(self.containers.podman("inspect", container))
        told: dict[str, int] = found[about]
        return told

    def inside(self, container: str, *words: str) -> str:
        """Run a program in a container."""
        return self.containers.podman("exec", container, *words)

    def get(self, container: str, url: str) -> tuple[int, str]:
        """Ask a URL from within a container, by the Python that every one of them has."""
        asking = (
            "import sys, urllib.request, urllib.error\n"
            "try: answer = urllib.request.urlopen(sys.argv[1], timeout=10)\n"
            "except urllib.error.HTTPError as error: answer = error\n"
            "print(answer.status, answer.read().decode())"
        )
        status, _, body = self.inside(container, "/usr/bin/python3", "-c", asking, url).partition(
            " "
        )
        return int(status), body.rstrip("\n")


@contextmanager
def a_pod(containers: Containers, name: str) -> Iterator[Pod]:
    """Have a pod for the length of a test."""
    containers.podman("pod", "create", f"--name={name}", "--network=none", "--share=net")
    try:
        yield Pod(containers, name)
    finally:
        containers.podman("pod", "rm", "--force", "--time=1", name)


def until(holds: Callable[[], bool], else_shown: Callable[[], str] = str) -> None:
    """Wait until something holds; what is shown if it never does."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, else_shown()
        time.sleep(0.1)


def serving(pod: Pod, policy_folder: str, *options: str) -> None:
    """Start the sidecar of a pod, and wait until it is ready."""
    os.chmod(policy_folder, 0o755)  # noqa: PTH101, S103 -- user 65532 reads it
    mounts = (f"--volume={policy_folder}:/etc/sidecar:ro", "--tmpfs=/tmp")
    pod.start("sidecar", IMAGE, options=(*mounts, *options))
    until(lambda: is_healthy(pod), lambda: pod.containers.logs("sidecar"))


def is_healthy(pod: Pod) -> bool:
    """Run the health check of the image, as whoever runs the container does."""
    try:
        pod.containers.podman("healthcheck", "run", "sidecar")
    except AssertionError:
        return False
    return True
