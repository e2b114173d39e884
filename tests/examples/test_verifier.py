"""The file that services copy, its keys and how they change; the policy beside it."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from sidecar.decision.pipeline import build
from sidecar.fronts.admin.applications import health_app
from sidecar.fronts.admin.listener import Listener
from sidecar.knowledge.auth.assertion import Signer
from sidecar.policy.load import load
from tests.examples.apps import EXAMPLES
from tests.examples.assertions import OTHER_SEED, SEED, a_signer, an_assertion
from tests.fronts.admin.listening import Sidecar
from tests.policy.test_assertion import HEAD, a_pem


def copied() -> ModuleType:
    """Load the file as a service does that copied it."""
    spec = importlib.util.spec_from_file_location("copied", EXAMPLES / "verify_assertion.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFY = copied()


@pytest.fixture
def sidecar() -> Sidecar:
    return Sidecar(keys=a_signer().key_set)


@pytest.fixture
async def url(sidecar: Sidecar) -> AsyncIterator[str]:
    """Serve the keys as the sidecar does."""
    listener = Listener(health_app(sidecar), "127.0.0.1", 0)
    await listener.start()
    yield f"http://127.0.0.1:{listener.port}/jwks.json"
    await listener.close()


async def verified(keys: str, *signers: Signer) -> list[str]:
    """Verify an assertion of each signer with one verifier; gives what it said of each."""
    verifier = VERIFY.Verifier(keys, "orders")
    return [await asyncio.to_thread(outcome, verifier, signer) for signer in signers]


def outcome(verifier: object, signer: Signer) -> str:
    assertion = an_assertion("acme", signer=signer)
    try:
        caller = verifier.verify(assertion, "GET", "/orders")  # type: ignore[attr-defined]  # copied
    except VERIFY.NotVerifiedError:
        return "refused"
    return f"{caller.subject} of {caller.tenant}, {sorted(caller.roles)}, {sorted(caller.scopes)}"


ALICE = "user:alice of acme, ['viewer'], []"


async def test_keys_come_from_the_listener_of_the_sidecar(url: str) -> None:
    assert await verified(url, a_signer(), a_signer(OTHER_SEED)) == [ALICE, "refused"]


async def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(a_signer(SEED, OTHER_SEED).key_set)
    both = await verified(str(file), a_signer(SEED), a_signer(OTHER_SEED))
    assert both == [ALICE, ALICE]


async def test_a_key_that_was_published_first_takes_over_without_a_gap(
    url: str, sidecar: Sidecar
) -> None:
    before, after = a_signer(SEED, OTHER_SEED), a_signer(OTHER_SEED, SEED)
    sidecar.keys = before.key_set
    verifier = VERIFY.Verifier(url, "orders")
    for signer in (before, after, before):
        assert await asyncio.to_thread(outcome, verifier, signer) == ALICE


async def test_a_key_that_signs_before_it_was_published_is_not_believed_at_once(
    url: str, sidecar: Sidecar
) -> None:
    verifier = VERIFY.Verifier(url, "orders")
    assert await asyncio.to_thread(outcome, verifier, a_signer(SEED)) == ALICE
    rotated = a_signer(OTHER_SEED, SEED)
    sidecar.keys = rotated.key_set
    # Else every forged name of a key would cost a fetch.
    assert await asyncio.to_thread(outcome, verifier, rotated) == "refused"
    assert await asyncio.to_thread(outcome, VERIFY.Verifier(url, "orders"), rotated) == ALICE


async def test_while_the_keys_cannot_be_fetched_nobody_is_verified(
    url: str, sidecar: Sidecar
) -> None:
    sidecar.keys = None
    assert await verified(url, a_signer()) == ["refused"]


async def test_keys_that_are_known_are_not_asked_for_again(url: str, sidecar: Sidecar) -> None:
    verifier = VERIFY.Verifier(url, "orders")
    assert await asyncio.to_thread(outcome, verifier, a_signer()) == ALICE
    sidecar.keys = None
    assert await asyncio.to_thread(outcome, verifier, a_signer()) == ALICE


def test_the_policy_of_the_examples_loads_without_a_warning() -> None:
    def read(name: str) -> bytes:
        return Path(name).read_bytes() if name.endswith(".yaml") else a_pem(HEAD + SEED)

    loaded = load(str(EXAMPLES / "sidecar.yaml"), read, {})
    assert loaded.warnings == ()
    assert build(loaded.policy).plans
