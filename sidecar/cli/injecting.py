"""What `sidecar inject` and `sidecar webhook` are told alike: which sidecar goes into pods."""

import re
from collections.abc import Callable
from typing import Final

import click

from sidecar import __version__
from sidecar.knowledge.kube.wishes import CPU, MEMORY, MEMORY_LIMIT, Settings

_QUANTITY: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[EPTGMk]i?|m)?")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*")

_Command = Callable[..., object]


class _Written(click.ParamType[str]):
    """A text of a grammar of Kubernetes."""

    def __init__(self, name: str, pattern: re.Pattern[str]) -> None:
        self.name = name
        self._pattern = pattern

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what Kubernetes would refuse."""
        if value and not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is no {self.name}", param, ctx)
        return value


_OPTIONS: Final = (
    click.option(
        "--image", type=_Written("image", _IMAGE), default=f"tenant-sidecar:{__version__}",
        show_default=True, help="Image of the sidecar, for pods that name none.",
    ),
    click.option(
        "--policy", metavar="NAME", type=_Written("name", _NAME), default="",
        help="ConfigMap with policy.yaml, for pods that name none.",
    ),
    click.option(
        "--redis-secret", metavar="NAME", type=_Written("name", _NAME), default="",
        help="Secret with the keys url and password, for pods that name none.",
    ),
    click.option(
        "--pull-policy", type=click.Choice(["Always", "IfNotPresent", "Never"]),
        default="IfNotPresent", show_default=True, help="When the image is fetched.",
    ),
    click.option(
        "--cpu", metavar="QUANTITY", type=_Written("quantity", _QUANTITY), default=CPU,
        show_default=True, help="CPU that the sidecar asks for.",
    ),
    click.option(
        "--memory", metavar="QUANTITY", type=_Written("quantity", _QUANTITY),
        default=MEMORY, show_default=True, help="Memory that it asks for.",
    ),
    click.option(
        "--memory-limit", metavar="QUANTITY", type=_Written("quantity", _QUANTITY),
        default=MEMORY_LIMIT, show_default=True, help="Memory that it may have at most.",
    ),
)  # fmt: skip


def about_the_sidecar(command: _Command) -> _Command:
    """Give a command the options that say which sidecar goes into pods."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings(options: dict[str, str], pinned: frozenset[str] = frozenset()) -> Settings:
    """Make settings of those options, and of annotations that pods may not have."""
    return Settings(version=__version__, pinned=pinned, **options)
