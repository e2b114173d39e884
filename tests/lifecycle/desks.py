"""An installation to act on: a policy, a store, an audit that keeps, time that is moved."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from sidecar.adapters.stores.memory import MemoryStore
from sidecar.lifecycle.desk import operations_of
from sidecar.lifecycle.keys import Source
from sidecar.lifecycle.tenants import Tenants
from sidecar.model.ports import Store
from sidecar.model.secret import Secret
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.state import Secrets
from tests.builders import a_policy
from tests.lifecycle.noting import NOW, OPS, Noted

FORMATS = [
    {"kind": "secret", "prefix": "sk_live"},
    {"kind": "publishable", "prefix": "pk", "encoding": "base62", "checksum": True},
]


def a_guarded_policy(**sections: object) -> Policy:
    """Make a policy with keys of two kinds and the tenants acme and globex."""
    given: dict[str, object] = {
        "authentication": {"api_keys": {"formats": FORMATS}},
        "tenants": {"acme": {"projects": {"shop": {}}}, "globex": {}},
        **sections,
    }
    return a_policy(**given)


def peppered(policy: Policy, *peppers: bytes) -> Policy:
    """Give a policy peppers, the newest first; its loader would read them from files."""
    secrets = Secrets.model_construct(pepper=tuple(Secret(pepper) for pepper in peppers))
    return policy.model_copy(update={"secrets": secrets})


@dataclass
class Moved:
    """A clock that stands still until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Installation:
    """What operations act on.

    Attributes:
        policy: the policy.
        clock: the clock.
        store: the store.
        events: what the audit was told.
    """

    policy: Policy = field(default_factory=a_guarded_policy)
    clock: Moved = field(default_factory=Moved)
    events: Noted = field(default_factory=Noted)
    store: Store | None = None

    def __post_init__(self) -> None:
        self.store = self.store or MemoryStore(self.clock)
        numbers = count(1)
        self.source = Source(
            self.clock,
            lambda length: hashlib.sha512(b"%d" % next(numbers)).digest()[:length],
            lambda: b"0190a4c2-7d10-7abc-8def-%012x" % next(numbers),
        )
        operations = operations_of(self.policy, self.store, self.events, self.source)
        self.operations = {(one.method, one.path): one for one in operations}

    async def call(
        self,
        method: str,
        path: str,
        key_id: str = "",
        *,
        actor: str = OPS,
        query: Mapping[str, str] | None = None,
        **members: object,
    ) -> dict[str, object]:
        """Perform an operation."""
        body = json.dumps(members).encode() if members else b""
        ids = {"id": key_id} if key_id else {}
        operation = self.operations[method, path]
        return dict(await operation.perform(actor, ids, (query or {}).items(), body))

    async def make(self, **members: object) -> dict[str, object]:
        """Make a key, of acme unless another tenant is named."""
        body = json.dumps({"tenant": "acme", **members}).encode()
        return dict(await self.operations["POST", "/v1/keys"].perform(OPS, {}, (), body))

    async def tenants(self, verb: str, tenant: str) -> None:
        """Create, suspend or delete a tenant of the store."""
        assert self.store is not None
        acting = Tenants(self.store, self.policy, Noted(), self.clock)
        if verb == "create":
            await acting.create(OPS, tenant, {})
        elif verb == "suspend":
            await acting.suspend(OPS, tenant)
        else:
            await acting.delete(OPS, tenant)

    async def go_on(self, tenant: str, ended: dict[str, object]) -> dict[str, object]:
        """Go on with a breach response that rotates."""
        members = {"rotate": True, "before": ended["before"], "after": ended["after"]}
        operation = self.operations["POST", "/v1/tenants/{id}/breach"]
        body = json.dumps(members).encode()
        return dict(await operation.perform(OPS, {"id": tenant}, (), body))
