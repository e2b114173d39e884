"""Whether spans can be sent: the library that does it is an extra."""

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Final

from sidecar.policy.rules.findings import Findings, Judged

EXTRA_HINT: Final = "pip install 'tenant-sidecar[otel]'"
_NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

Finder = Callable[[str], ModuleSpec | None]


def spans_without_their_library(judged: Judged, find: Finder = find_spec) -> Findings:
    """A collector for spans that nothing here could send.

    Args:
        judged: the policy.
        find: finds an installed package by name.
    """
    section = judged.policy.tracing
    if section is not None and section.otlp is not None and not all(map(_finds(find), _NEEDED)):
        yield judged.error(
            ("tracing", "otlp"), "needs OpenTelemetry, which is not installed", EXTRA_HINT
        )


def _finds(find: Finder) -> Callable[[str], bool]:
    def is_there(name: str) -> bool:
        try:
            return find(name) is not None
        except ModuleNotFoundError:
            # A package above it is missing.
            return False

    return is_there
