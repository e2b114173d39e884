"""The bill of materials lists what the lock has, all of it and nothing else, the same each time."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing  # type: ignore[import-untyped] # ships no types

from ci.sbom import bill, packages
from sidecar import __version__

pytestmark = pytest.mark.control("RT-2")
HOUSE: Final = Path(__file__).parents[2]
LOCK: Final = (HOUSE / "requirements" / "image.txt").read_text("utf-8")
LICENCES: Final = tomllib.loads((HOUSE / "requirements" / "licences.toml").read_text("utf-8"))
EPOCH: Final = 1_790_000_000
A: Final = "a" * 64
B: Final = "b" * 64
SMALL: Final = f"""# a lock
one==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via tenant-sidecar (pyproject.toml)
two[extra]==2.0.post1 ; python_full_version < '3.12' \\
    --hash=sha256:{B}
    # via
    #   -c requirements/dev.txt
    #   one
    #   tenant-sidecar (pyproject.toml)
"""


@pytest.fixture(scope="module")
def written() -> str:
    return bill(LOCK, LICENCES, epoch_seconds=EPOCH)


def test_it_obeys_the_schema_of_cyclonedx(written: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(written) is None
    assert (
        validator.validate_str(written.replace('"type": "library"', '"type": "book"')) is not None
    )


def test_it_has_every_locked_package_with_every_digest_and_nothing_else(written: str) -> None:
    # Read from the lock in another way than the writer reads it.
    locked: dict[str, set[str]] = {}
    digests: set[str] = set()
    for line in LOCK.splitlines():
        if re.match("[a-z]", line):
            name, _, version = line.split(" ")[0].partition("==")
            digests = locked[f"pkg:pypi/{name.partition('[')[0]}@{version}"] = set()
        elif "--hash=" in line:
            digests.add(line.split(":")[1].removesuffix(" \\"))
    listed = {
        one["purl"]: {it["content"] for it in one["externalReferences"][0]["hashes"]}
        for one in json.loads(written)["components"]
    }
    assert len(listed) > 40
    assert listed == locked


def test_it_names_the_release_and_its_moment(written: str) -> None:
    about = json.loads(written)["metadata"]
    assert about["component"]["purl"] == f"pkg:pypi/tenant-sidecar@{__version__}"
    assert about["timestamp"] == "2026-09-21T14:13:20+00:00"


def test_its_graph_says_who_asks_for_what() -> None:
    document = json.loads(bill(SMALL, {"one": "MIT", "two": "ISC"}, epoch_seconds=EPOCH))
    graph = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert graph == {"tenant-sidecar": ["one", "two"], "one": ["two"], "two": []}


def test_what_the_image_does_not_install_is_optional() -> None:
    document = json.loads(bill(SMALL, {"one": "MIT", "two": "ISC"}, epoch_seconds=EPOCH))
    assert [one["scope"] for one in document["components"]] == ["required", "optional"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("one==1.0", "one>=1.0", id="no version"),
        pytest.param(f" \\\n    --hash=sha256:{B}\n    # via\n", "\n    # via\n", id="no digest"),
        pytest.param("    # via tenant-sidecar (pyproject.toml)\n", "", id="asked for by nobody"),
        pytest.param("--hash=sha256:", "--hash=md5:", id="another digest"),
        pytest.param("    # via\n", "    --index-url=x\n", id="another option"),
    ],
)
def test_a_lock_that_it_cannot_read_whole_is_refused(old: str, new: str) -> None:
    assert len(packages(SMALL)) == 2
    with pytest.raises(ValueError, match="the lock has"):
        packages(SMALL.replace(old, new, 1))


@pytest.mark.parametrize("licences", [{"one": "MIT"}, {"one": "MIT", "two": "ISC", "three": "MIT"}])
def test_a_package_without_licence_and_a_licence_without_package_are_refused(
    licences: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match=r"licences\.toml and the lock differ in: t"):
        bill(SMALL, licences, epoch_seconds=EPOCH)


def test_every_licence_is_one_of_spdx_and_does_not_bind_what_stands_beside_it() -> None:
    spdx = get_spdx_licensing()
    for name, licence in LICENCES.items():
        assert not spdx.validate(licence, strict=True).errors, name
        assert not re.search("GPL|SSPL|BUSL|EUPL", licence), name


def test_licences_are_those_that_the_packages_state_themselves() -> None:
    stated = {}
    for name in LICENCES:
        if [*metadata.distributions(name=name)]:
            stated[name] = (metadata.metadata(name).get_all("License-Expression") or [None])[0]
    compared = {name: licence for name, licence in stated.items() if licence}
    assert len(compared) > 20
    assert {name: LICENCES[name] for name in compared} == compared


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "ci.sbom", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HOUSE), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for zone, seed in (("UTC", "1"), ("Asia/Tokyo", "2")):
        done = run(tmp_path, zone, SOURCE_DATE_EPOCH=str(EPOCH), TZ=zone, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stdout) == (0, f"{zone}\n")
        found.append((tmp_path / zone).read_bytes())
    assert found[0] == found[1]
    assert found[0].decode() == bill(LOCK, LICENCES, epoch_seconds=EPOCH)


def test_without_a_moment_it_says_what_is_missing(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("sbom: set SOURCE_DATE_EPOCH")
    assert list(tmp_path.iterdir()) == []


def test_the_moment_is_that_of_the_commit_unless_one_is_given() -> None:
    def moment(**variables: str) -> str:
        return subprocess.check_output(  # noqa: S603 - our own script, no shell
            [HOUSE / "ci" / "epoch.sh"], env={"PATH": os.environ["PATH"], **variables}, text=True
        )

    assert moment(SOURCE_DATE_EPOCH="17") == "17\n"
    assert int(moment()) > EPOCH
