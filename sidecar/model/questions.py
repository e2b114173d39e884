"""What a step may have to wait for: every question, and the type of its answer.

A question names one fact of the outside world. The runner hands it to the answers, and the answer
to the step's `resume`. A question that cannot be answered (`StoreUnavailableError`) refuses.
"""

from dataclasses import dataclass, field

from sidecar.model.body import About, Collected, Rules, Watch
from sidecar.model.identity import KeyDigest, TenantId
from sidecar.model.limits import Charge


@dataclass(frozen=True, slots=True)
class FindKey:
    """Which key has one of these digests? Answer: `KeyRecord | None`.

    Attributes:
        digests: digests under every pepper in use, the newest first (AN-3).
    """

    digests: tuple[KeyDigest, ...]


@dataclass(frozen=True, slots=True)
class FindTenant:
    """What is known of a tenant? Answer: `TenantRecord | None`.

    Attributes:
        tenant: its id.
        because: what the step that asks needs to go on.
    """

    tenant: TenantId
    because: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class FindKeySet:
    """Which keys does an issuer publish now? Answer: `KeySet`, refreshed if that may help.

    Attributes:
        issuer: the configured issuer.
        key_id: `kid` that the known keys lack; empty when no keys are known at all.
    """

    issuer: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Introspect:
    """Is an opaque token active (RFC 7662)? Answer: `Introspection`.

    Attributes:
        token: the token; it goes to the provider of the policy and nowhere else.
    """

    token: bytes

    def __repr__(self) -> str:
        """Hide the token."""
        return "Introspect(token='…')"


@dataclass(frozen=True, slots=True)
class AdmitDomain:
    """May a project be used from one more unregistered domain (AN-8)? Answer: `bool`.

    Attributes:
        tenant: the project's tenant.
        project: the project.
        domain: the unregistered domain, in lower case.
        cap: distinct domains within the window that are admitted.
    """

    tenant: TenantId
    project: str
    domain: str
    cap: int


@dataclass(frozen=True, slots=True)
class FindCredential:
    """Which secret has a tenant by this name (TN-6, RQ-8)? Answer: `Secret | None`.

    Attributes:
        tenant: the tenant.
        name: name of the secret in the tenant's part of the vault.
        because: what the step that asks needs to go on.
    """

    tenant: TenantId
    name: str
    because: object = field(default=None, compare=False)


@dataclass(init=False, slots=True, eq=False)
class TakeLimits:
    """Is there room for a request in all of these limits? Answer: `tuple[Count, ...]`.

    All are charged, or none.

    Attributes:
        charges: what the request takes.
        because: what the step that asks needs to go on.
    """

    charges: tuple[Charge, ...]
    because: object

    # Written out: the constructor that `dataclass` makes stays interpreted.
    def __init__(self, charges: tuple[Charge, ...], because: object = None) -> None:
        self.charges = charges
        self.because = because


@dataclass(frozen=True, slots=True, eq=False)
class ReadBody:
    """What is the body of the request? Answer: `Collected`, or the `Refuse` of what watched it.

    Who has the client's connection answers it. The bound on all bodies, when it is reached, is a
    `Refuse` too.

    Attributes:
        about: what the step that asks knows of the body, to go on; None where it needs nothing.
        watch: looks at it while it comes; None for nothing.
    """

    about: About | None
    watch: Watch | None = None


@dataclass(frozen=True, slots=True, eq=False)
class JudgeBody:
    """What do rules say of a body that takes long to read? Answer: `Finding | None`.

    Attributes:
        body: the body.
        rules: the rules.
        about: what is known of it.
    """

    body: Collected
    rules: Rules
    about: About


Question = (
    FindKey
    | FindTenant
    | FindKeySet
    | Introspect
    | AdmitDomain
    | FindCredential
    | TakeLimits
    | ReadBody
    | JudgeBody
)
