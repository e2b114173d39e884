"""What is rehearsed is decided as by the plain runner: 10,000 made-up requests."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.decision.pipeline import build
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Played, Stage
from sidecar.knowledge.auth.key_set_files import key_sets_of
from sidecar.policy.load import load
from sidecar.policy.schema.policy import Policy
from tests.e2e.callers import admit_all
from tests.fronts.proxy.rehearsal.agreeing import (
    NOW,
    Ended,
    FromStore,
    Plain,
    ended,
    made_up,
    rich,
    written,
)

EACH: Final = 2_500
OWN_ID: Final = b"0190a4c2-7d10-7abc-8def-0123456789ab"
VARIANTS: Final[dict[str, dict[str, object]]] = {
    "enforced": {},
    "in shadow": {"mode": "shadow"},
    "hidden and renamed": {
        "tenant_mismatch": 404,
        "identity_headers": {"tenant": "X-Org", "roles": None},
    },
    "limited": {
        "tiers": {"anonymous": {"limit": "900/min", "by": "address"}},
        "limits": {
            "address": {"limit": "1000/60s"},
            "key": {"limit": "40/60s"},
            "failed_authentication": {"limit": "90/min", "by": "address"},
            "default_tier": "anonymous",
        },
    },
}


def a_policy(folder: Path, variant: dict[str, object]) -> Policy:
    (folder / "policy.yaml").write_bytes(written(rich(folder, **variant)))
    return load(str(folder / "policy.yaml"), lambda name: Path(name).read_bytes(), {}).policy


@pytest.mark.parametrize("name", VARIANTS)
def test_a_rehearsal_decides_as_the_plain_runner(name: str, tmp_path: Path) -> None:
    policy = a_policy(tmp_path, VARIANTS[name])
    found = asyncio.run(compared(policy, seed=sorted(VARIANTS).index(name)))
    # A generator that reaches little proves little.
    outcomes = Counter(word for word, _ in found)
    assert outcomes["admit"] > EACH // 20, outcomes
    if name != "in shadow":
        assert len({step for _, step in found}) >= 12, Counter(found)


async def compared(policy: Policy, seed: int) -> list[tuple[str, str]]:
    """Decide requests twice, compare, and return what became of them."""
    store = MemoryStore(lambda: NOW)
    await admit_all(store)
    answers = Careful(FromStore(store), key_sets=key_sets_of(policy.authentication.jwt, NOW))
    stage = Stage(build(policy, assumed(policy, lambda: NOW)), answers, lambda: OWN_ID)
    plain = Plain(build(policy, assumed(policy, lambda: NOW)), answers)
    words = []
    for asked in made_up(seed, EACH):
        played = await stage.play(asked)
        assert as_ended(played) == await plain.run(asked, OWN_ID), asked
        words.append((played.word, played.step))
    return words


def as_ended(played: Played) -> Ended:
    """Read a rehearsal as the plain runner's outcome."""
    assert played.unknown is None
    return ended(played.exchange, played.outcome, played.step)
