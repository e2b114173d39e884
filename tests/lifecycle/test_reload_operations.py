"""What may be asked about the policy in force."""

from collections.abc import Mapping

import pytest

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.operations import Operation
from sidecar.lifecycle.reload_operations import reload_operations
from tests.lifecycle.noting import OPS


def the_operation(asked: list[tuple[str, bool, str]]) -> Operation:
    async def reload(actor: str, *, is_dry: bool, acknowledged: str) -> Mapping[str, object]:
        asked.append((actor, is_dry, acknowledged))
        return {"result": "admitted"}

    [operation] = reload_operations(reload)
    return operation


@pytest.mark.parametrize(
    ("query", "is_dry", "acknowledged"),
    [
        ([], False, ""),
        ([("dry_run", "1")], True, ""),
        ([("dry_run", "0")], False, ""),
        ([("acknowledge", "0f" * 32)], False, "0f" * 32),
    ],
)
async def test_whoever_asks_is_named_and_may_only_look(
    query: list[tuple[str, str]], acknowledged: str, *, is_dry: bool
) -> None:
    asked: list[tuple[str, bool, str]] = []
    assert await the_operation(asked).perform(OPS, {}, query, b"") == {"result": "admitted"}
    assert asked == [(OPS, is_dry, acknowledged)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([("dry_run", "yes")], "dry_run is no flag"),
        ([("other", "1")], "other is no parameter"),
        ([("acknowledge", "0F" * 32)], "acknowledge is no digest"),
    ],
)
async def test_what_is_no_flag_reloads_nothing(query: list[tuple[str, str]], message: str) -> None:
    asked: list[tuple[str, bool, str]] = []
    with pytest.raises(BadValueError, match=message):
        await the_operation(asked).perform(OPS, {}, query, b"")
    assert asked == []
