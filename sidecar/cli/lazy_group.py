"""A group of commands whose modules are imported when they are asked for."""

import gc
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

import click


class LazyGroup(click.Group):
    """Knows the names of its commands and a line about each, and imports the one that is used.

    `sidecar schema` need not load the proxy.
    """

    def __init__(self, *, modules: str, summaries: Mapping[str, str], **settings: object) -> None:
        """Import nothing yet.

        Args:
            modules: what stands before the name of a command in that of its module; each module
                has a `command`.
            summaries: by name, what the list of commands says of it.
            settings: as for any group.
        """
        super().__init__(**settings)  # type: ignore[arg-type]  # click's own, passed on as they came
        self._modules = modules
        self._summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        del ctx
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for one that there is not."""
        del ctx
        if cmd_name not in self._summaries:
            return None
        name = f"{self._modules}{cmd_name.replace('-', '_')}"
        command: object = _imported(name).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{name} has no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))


def _imported(name: str) -> ModuleType:
    """Import a module for as long as the process lives: none of it is ever garbage.

    A command imports 400 modules. To look them over again and again meanwhile, and once more at the
    end, would be a fifth of the CPU of one that lists keys (0.43 s became 0.34 s).
    """
    if name in sys.modules:
        return sys.modules[name]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
