"""Builds the image on a base of Debian's packages, and runs it: neither a registry nor a daemon."""

import json
import os
import resource
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOUSE: Final = Path(__file__).parents[2]
BASE: Final = "docker.io/library/python:3.13-slim"
IMAGE: Final = "localhost/tenant-sidecar:tested"
BUILD_SECONDS: Final = 1200
_BASE_SECONDS: Final = 600
_RUN_SECONDS: Final = 60
_SHOWN_CHARACTERS: Final = 30_000
_PACKAGES: Final = (
    "ca-certificates,libpython3-dev,python-is-python3,python3,python3-pip,python3-venv"
)
# What the official image leaves out as well.
_LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
# At -O3 the compiler takes two minutes of one core for the hot path; what is tested here is the
# same without. The last -O counts. A release is built without this.
_WRAPPER: Final = '#!/bin/sh\nexec "/usr/bin/${0##*/}" "$@" -O0\n'
_BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")


def run(
    words: Sequence[str], seconds: float = _RUN_SECONDS, variables: Mapping[str, str] | None = None
) -> str:
    """Run a program of the system; its output, or an error that shows what it said."""
    done = subprocess.run(  # noqa: S603 -- our own commands, no shell
        words, cwd=HOUSE, env={**os.environ, **(variables or {})}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    said = [text[-_SHOWN_CHARACTERS:] for text in (done.stdout, done.stderr)]
    assert done.returncode == 0, "\n".join([str(words), *said])
    return done.stdout


@dataclass(frozen=True, slots=True)
class Containers:
    """Images and containers in a folder of the tests' own.

    Attributes:
        folder: where they are.
    """

    folder: Path

    def configure(self) -> None:
        """Write the settings that a machine without systemd, or without all rights, needs."""
        files, processes = (
            resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
        )
        limits = [f"nofile={_lower(files)}:{_lower(files)}"]
        limits.append(f"nproc={_lower(processes)}:{_lower(processes)}")
        self._settings.write_text(
            f"[containers]\ndefault_ulimits = {json.dumps(limits)}\n"
            '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n'
        )
        (self.folder / "tmp").mkdir(mode=0o711, exist_ok=True)
        # Whole or not there at all: by half of it, podman would take the containers of this machine
        # for those of the tests, and `remove` would end them.
        draft = self.folder / "storage.draft"
        draft.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/images"\n'
            f'runroot = "{self.folder}/run"\n'
        )
        draft.rename(self._storage)

    @property
    def _settings(self) -> Path:
        return self.folder / "containers.conf"

    @property
    def _storage(self) -> Path:
        return self.folder / "storage.conf"

    @property
    def is_configured(self) -> bool:
        """Tell whether podman would find this folder, and not the one of the machine."""
        return self._storage.exists()

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment that podman and buildah need for this folder."""
        return {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(self._settings),
            "CONTAINERS_STORAGE_CONF": str(self._storage),
            "TMPDIR": str(self.folder / "tmp"),
        }

    def podman(self, *words: str, seconds: float = _RUN_SECONDS) -> str:
        """Call podman."""
        return run(["podman", *words], seconds, self.variables)

    def logs(self, container: str) -> str:
        """What a container wrote, on both of its outputs."""
        words = ["/bin/sh", "-c", 'exec podman logs "$1" 2>&1', "logs", container]
        return run(words, variables=self.variables)

    def has(self, image: str) -> bool:
        """Tell whether an image is there."""
        return bool(self.podman("images", "--quiet", image))

    def make_base(self) -> None:
        """Make what stands in for the official image of Python from Debian's packages."""
        archive = self.folder / "base.tar"
        (self.folder / "wrapper").write_text(_WRAPPER)
        (self.folder / "wrapper").chmod(0o755)
        wrapper = f"$1/usr/local/bin/{os.uname().machine}-linux-gnu-gcc"
        run(
            [
                "mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}",
                *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
                f'--customize-hook=cp {self.folder}/wrapper "{wrapper}"',
                "trixie", str(archive),
            ],
            _BASE_SECONDS,
            self.variables,
        )  # fmt: skip
        self.podman("import", str(archive), BASE, seconds=_BASE_SECONDS)
        archive.unlink()

    def build(self) -> None:
        """Build the image by the script that `make image` runs."""
        mounts = f"--volume {_BUNDLE}:{_BUNDLE}:ro" if _BUNDLE.exists() else ""
        run(
            ["ci/image.sh", IMAGE], BUILD_SECONDS,
            {**self.variables, "BUILDER": "buildah", "BUILD_ARGS": f"--pull-never {mounts}"},
        )  # fmt: skip

    def remove(self) -> None:
        """End every container, and give back what they lie on."""
        assert self.is_configured, f"{self._storage} is not there"
        self.podman("rm", "--all", "--force", "--time=1")
        self.podman("pod", "rm", "--all", "--force", "--time=1")
        self.podman("image", "unmount", "--all")


def _lower(limit: int) -> int:
    """A limit that a container may have: what we have ourselves, within reason."""
    return 16_384 if limit == resource.RLIM_INFINITY else min(limit, 16_384)
