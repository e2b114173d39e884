"""Which store a policy gets, and what is imported for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.adapters.stores.opening import default_file, open_store
from sidecar.model.errors import StoreUnavailableError
from sidecar.model.identity import KeyId
from sidecar.policy.schema.state import State
from tests.stores.rows import a_key, a_state
from tests.stores.servers import valkey


@pytest.mark.parametrize(
    ("environ", "file"),
    [
        ({"SIDECAR_STATE_DIR": "/s", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/s/state.db"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/sidecar/state.db"),
        ({"HOME": "/h"}, "/h/.local/state/sidecar/state.db"),
    ],
)
def test_the_default_file_follows_the_environment(environ: dict[str, str], file: str) -> None:
    assert default_file(environ) == Path(file)


def test_a_user_without_a_folder_is_told_what_to_set() -> None:
    with pytest.raises(StoreUnavailableError, match="SIDECAR_STATE_DIR"):
        open_store(State(), {})


async def test_a_policy_without_the_section_keeps_state_in_the_default_file(
    tmp_path: Path,
) -> None:
    store = open_store(State(), {"SIDECAR_STATE_DIR": str(tmp_path / "own")})
    await store.open()
    assert await store.add_key(a_key())
    await store.close()
    assert _names_in(tmp_path / "own") == ["state.db"]


def _names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def test_sqlite_without_a_path_means_the_default_file() -> None:
    assert a_state("sqlite:").store == State().store


async def test_a_file_of_the_policy_is_used(tmp_path: Path) -> None:
    store = open_store(a_state(f"sqlite:{tmp_path / 'mine.db'}"), {})
    await store.open()
    await store.close()
    assert _names_in(tmp_path) == ["mine.db"]


async def test_memory_keeps_nothing() -> None:
    for _ in range(2):
        store = open_store(a_state("memory"), {})
        await store.open()
        assert await store.key(KeyId("k1")) is None
        await store.add_key(a_key())
        await store.close()


async def test_failed_calls_are_told_by_operation() -> None:
    failed: list[str] = []
    with valkey() as server:
        store = open_store(a_state(server.url), {}, failed=failed.append)
        await store.open()
        await store.add_key(a_key())
    with pytest.raises(StoreUnavailableError):
        await store.find_key([a_key().digest])
    await store.close()
    assert failed == ["find_key"]


def test_redis_is_imported_for_redis_alone() -> None:
    lines = (
        "import sys",
        "from sidecar.adapters.stores.opening import open_store",
        "from sidecar.policy.schema.state import State",
        "open_store(State(store='memory'), {})",
        "open_store(State(store='sqlite:/nowhere/state.db'), {})",
        "assert 'redis' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)  # noqa: S603 -- ourselves
