"""Assertions made by hand: good ones as the sidecar makes them, and forged ones."""

import time
from typing import Final

from sidecar.knowledge.auth.assertion import Signer, Statement
from sidecar.model.secret import Secret
from sidecar.policy.schema.assertion import Assertion

SEED: Final = b"the key of the sidecar, 32 bytes"
OTHER_SEED: Final = b"the key of a forger, of 32 bytes"


def a_signer(*seeds: bytes, audience: str = "orders", issuer: str = "sidecar") -> Signer:
    """Make a signer as the policy would."""
    keys = tuple(Secret(seed) for seed in seeds or (SEED,))
    return Signer(Assertion.model_construct(key=keys, audience=audience, issuer=issuer))


def a_statement(tenant: str | None, method: str = "GET", target: str = "/orders") -> Statement:
    """Say that somebody of a tenant asks something."""
    return Statement(
        subject="user:alice", tenant=tenant, roles=("viewer",), scopes=(), tier=None, key_id=None,
        method=method.encode(), target=target.encode(), request_id=b"r-1", jti=b"j-1",
    )  # fmt: skip


def an_assertion(
    tenant: str | None,
    method: str = "GET",
    target: str = "/orders",
    *,
    signer: Signer | None = None,
    age: float = 0.0,
) -> str:
    """Sign that somebody of a tenant asks something, some seconds ago."""
    statement = a_statement(tenant, method, target)
    return (signer or a_signer()).sign(statement, time.time() - age).decode()
