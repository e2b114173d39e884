"""Everything an operator may do to one installation, built from its policy and its store."""

from sidecar.adapters.vault.box import Box
from sidecar.adapters.vault.secrets import Vault
from sidecar.knowledge.auth.digest import DigestRing
from sidecar.lifecycle.alerts import alerting
from sidecar.lifecycle.audit_operations import audit_operations
from sidecar.lifecycle.block_operations import BlockDesk
from sidecar.lifecycle.blocks import Blocks
from sidecar.lifecycle.breach import Breach
from sidecar.lifecycle.key_drafts import DraftRules
from sidecar.lifecycle.key_import import KeyImport
from sidecar.lifecycle.key_operations import KeyDesk
from sidecar.lifecycle.keys import Keys, Source
from sidecar.lifecycle.operations import Operation
from sidecar.lifecycle.secret_operations import SecretDesk
from sidecar.lifecycle.secrets import Secrets
from sidecar.lifecycle.tenant_operations import TenantDesk
from sidecar.lifecycle.tenants import Tenants
from sidecar.lifecycle.token_operations import TokenDesk
from sidecar.lifecycle.tokens import Tokens, token_life
from sidecar.model.ports import Events, Store
from sidecar.policy.schema.policy import Policy


def operations_of(
    policy: Policy, store: Store, events: Events, source: Source
) -> tuple[Operation, ...]:
    """List all operations of an installation.

    Args:
        policy: its policy.
        store: its state store, open.
        events: its audit.
        source: clock, randomness and ids.
    """
    operations = (
        *_key_operations(policy, store, events, source),
        *_tenant_operations(policy, store, events, source),
        *audit_operations(policy, store, events, source.clock),
    )
    return operations if policy.audit.alerts is None else alerting(operations, events)


def _tenant_operations(
    policy: Policy, store: Store, events: Events, source: Source
) -> tuple[Operation, ...]:
    tenants = Tenants(store, policy, events, source.clock)
    tokens = Tokens(store, events, source.clock, token_life(policy.authentication))
    ring = policy.secrets.master_key
    vault = Vault(store, None if ring is None else Box(ring, source.urandom))
    return (
        *TenantDesk(tenants).operations(),
        *TokenDesk(tokens).operations(),
        *SecretDesk(Secrets(vault, store, policy, events)).operations(),
        *BlockDesk(Blocks(store, policy, events, source.clock), source.clock).operations(),
    )


def _key_operations(
    policy: Policy, store: Store, events: Events, source: Source
) -> tuple[Operation, ...]:
    ring = DigestRing(policy.secrets.pepper or ())
    rules = DraftRules(policy, store)
    keys = Keys(store, rules, ring, events, source)
    imports = KeyImport(store, rules, ring, events, source)
    tokens = Tokens(store, events, source.clock, token_life(policy.authentication))
    breach = Breach(keys, tokens, events, source)
    return KeyDesk(keys, imports, breach, source).operations()
