"""Commands that are imported when they are asked for."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sidecar.cli.lazy_group import LazyGroup

COMMAND = """\
import gc

import click

was_collecting = gc.isenabled()
kept = [[] for _ in range(10_000)]
command = click.Command("one")
"""


@pytest.fixture
def _thawed() -> Iterator[None]:
    """Have nothing else of this process kept from the collector."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LazyGroup]:
    """A group of `one`, which can be imported, and of `none`, which has no command."""
    (tmp_path / "lazy_one.py").write_text(COMMAND)
    (tmp_path / "lazy_none.py").write_text("command = 1\n")
    (tmp_path / "lazy_bad.py").write_text("raise OSError\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield LazyGroup(modules="lazy_", summaries=dict.fromkeys(("one", "none", "bad"), "It does."))
    for name in ("lazy_one", "lazy_none", "lazy_bad"):
        sys.modules.pop(name, None)


def found(group: LazyGroup, name: str) -> click.Command | None:
    return group.get_command(click.Context(group), name)


@pytest.mark.usefixtures("_thawed")
def test_no_collection_looks_at_what_a_command_imports(group: LazyGroup) -> None:
    command = found(group, "one")
    assert command is not None
    assert not sys.modules["lazy_one"].was_collecting
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


@pytest.mark.usefixtures("_thawed")
def test_what_is_garbage_by_the_second_time_is_collected(group: LazyGroup) -> None:
    found(group, "one")
    gc.unfreeze()
    found(group, "one")
    assert not gc.get_freeze_count()


@pytest.mark.usefixtures("_thawed")
@pytest.mark.parametrize("is_enabled", [True, False])
def test_whether_garbage_is_collected_is_left_as_it_was(
    group: LazyGroup, *, is_enabled: bool
) -> None:
    if not is_enabled:
        gc.disable()
    with pytest.raises(OSError, match=r"^$"):
        found(group, "bad")
    assert gc.isenabled() is is_enabled


@pytest.mark.usefixtures("_thawed")
def test_a_module_without_a_command_is_a_mistake_of_ours(group: LazyGroup) -> None:
    with pytest.raises(TypeError, match="lazy_none has no command"):
        found(group, "none")


def test_a_command_that_there_is_not_is_not_imported(group: LazyGroup) -> None:
    assert found(group, "another") is None
