"""Write the bill of materials (CycloneDX 1.6): `SOURCE_DATE_EPOCH=… python -m ci.sbom [FILE]`.

It lists what the image installs, from the lock alone, so the same source gives the same bytes on
every machine: nothing is read from the environment that it runs in (RT-2).
"""

import os
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import Marker

from sidecar import __version__

HOUSE: Final = Path(__file__).parents[1]
PRODUCT: Final = "tenant-sidecar"
# Serial numbers are drawn from the content, in a space of our own.
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "sbom.tenant-sidecar")
_PINNED: Final = re.compile(r"([a-z0-9-]+)(?:\[[^\]]*\])?==([^ ;]+)(?: ; (.*?))? \\$")
_DIGEST: Final = re.compile(r" {4}--hash=sha256:([0-9a-f]{64})(?: \\)?$")
_ASKED_BY: Final = re.compile(r" {4}#(?: via)?(?: +([a-z0-9-]+)(?: \(pyproject\.toml\))?)?$")
_CONSTRAINT: Final = re.compile(r" {4}#(?: via)? +-c requirements/\S+$")
# What the image runs on.
_IMAGE: Final = {
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "sys_platform": "linux",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One entry of the lock."""

    name: str
    version: str
    marker: str
    digests: tuple[str, ...]
    asked_by: tuple[str, ...]

    @property
    def is_in_image(self) -> bool:
        """Whether the image's Python installs it; the others are there for older ones."""
        return not self.marker or Marker(self.marker).evaluate(_IMAGE)


def packages(lock: str) -> list[Package]:
    """Read a lock as `make lock` writes it, with the lines that say who asked for what.

    Raises:
        ValueError: when a line is of no known kind: nothing is passed over.
    """
    found: list[Package] = []
    for block in re.split(r"\n(?=\S)", lock):
        head, *rest = block.rstrip("\n").split("\n")
        if head.startswith("#"):
            continue
        match = _PINNED.match(head)
        if match is None:
            raise ValueError(f"the lock has a line that pins nothing: {head}")
        digests, asked_by = _below(rest)
        if not digests or not asked_by:
            raise ValueError(f"the lock has no digest for {match[1]}, or not who asks for it")
        found.append(Package(match[1], match[2], match[3] or "", digests, asked_by))
    return found


def _below(lines: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the lines below an entry: its digests, and who asks for it."""
    digests: list[str] = []
    asked_by: list[str] = []
    for line in lines:
        digest, asker = _DIGEST.match(line), _ASKED_BY.match(line)
        if digest is not None:
            digests.append(digest[1])
        elif asker is not None:
            asked_by += [asker[1]] if asker[1] else []
        elif _CONSTRAINT.match(line) is None:
            raise ValueError(f"the lock has a line of no known kind: {line}")
    return tuple(digests), tuple(asked_by)


def bill(lock: str, licences: Mapping[str, str], *, epoch_seconds: int) -> str:
    """Write the bill of a lock as JSON.

    Args:
        lock: the text of the lock.
        licences: the SPDX expression of each package of it.
        epoch_seconds: the moment that the bill is dated with, since 1970.

    Raises:
        ValueError: when the lock cannot be read, or the licences are not those of its packages.
    """
    locked = packages(lock)
    if odd := {one.name for one in locked} ^ licences.keys():
        raise ValueError(
            f"requirements/licences.toml and the lock differ in: {', '.join(sorted(odd))}"
        )
    product = Component(
        type=ComponentType.APPLICATION,
        name=PRODUCT,
        version=__version__,
        bom_ref=PRODUCT,
        purl=PackageURL("pypi", name=PRODUCT, version=__version__),
        licenses=[LicenseExpression("Apache-2.0")],
    )
    bom = Bom(
        metadata=BomMetaData(
            component=product, timestamp=datetime.fromtimestamp(epoch_seconds, tz=UTC)
        ),
        components=[_component(one, licences[one.name]) for one in locked],
        dependencies=list(_graph(locked)),
        serial_number=uuid.uuid5(_SPACE, f"{__version__}\n{epoch_seconds}\n{licences}\n{lock}"),
    )
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(package: Package, licence: str) -> Component:
    """Describe a package. Its digests are of all the files that the lock admits, one a platform."""
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        bom_ref=package.name,
        purl=PackageURL("pypi", name=package.name, version=package.version),
        licenses=[LicenseExpression(licence)],
        scope=ComponentScope.REQUIRED if package.is_in_image else ComponentScope.OPTIONAL,
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(f"https://pypi.org/simple/{package.name}/"),
                hashes=[
                    HashType(alg=HashAlgorithm.SHA_256, content=one) for one in package.digests
                ],
            )
        ],
    )


def _graph(locked: list[Package]) -> Iterator[Dependency]:
    """Say of the product and of each package what it asks for."""
    for asker in (PRODUCT, *(one.name for one in locked)):
        asked = [Dependency(BomRef(one.name)) for one in locked if asker in one.asked_by]
        yield Dependency(BomRef(asker), dependencies=asked)


def main() -> int:
    """Write the bill of this repository to the file that the command line names."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdecimal():
        sys.stderr.write("sbom: set SOURCE_DATE_EPOCH to seconds since 1970, as make sbom does\n")
        return 2
    given = sys.argv[1:] or [f"dist/{PRODUCT}-{__version__}.cdx.json"]
    target = Path(given[0])
    requirements = HOUSE / "requirements"
    try:
        text = bill(
            (requirements / "image.txt").read_text("utf-8"),
            tomllib.loads((requirements / "licences.toml").read_text("utf-8")),
            epoch_seconds=int(epoch),
        )
    except ValueError as error:
        sys.stderr.write(f"sbom: {error}\n")
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
