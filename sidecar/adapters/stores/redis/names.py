"""Names of the store's keys in Redis.

All of them share one hash tag, hence one slot of a Cluster: a change and its entry in the log
happen in one script, and a script sees one slot.
"""

from sidecar.model.identity import TenantId


class Names:
    """The keys below a prefix.

    Args:
        prefix: the policy's `state.prefix`.

    Attributes:
        own: the store's own hash: version of the schema, newest revision, newest revocation.
        log: the change log, a sorted set by revision.
        channel: channel on which changes are told.
        records: hash of keys' records by digest.
        ids: sorted set of keys' ids, each with its digest behind it.
        tenants: hash of tenants' records by id.
        tenant_ids: sorted set of tenants' ids.
        revocations: sorted set of revocations by number.
        ends: sorted set of revocations' numbers by their end.
        blocks: hash of blocks' records by id.
        block_ids: sorted set of blocks' ids.
        block_ends: sorted set of the ids of blocks that end, by their end.
        limits: what names of counters of rate limits begin with.
        limits_epoch: since when, and on which server, counts are complete.
    """

    def __init__(self, prefix: str) -> None:
        self._start = start = f"{{{prefix}}}:"
        self.own = f"{start}store"
        self.log = f"{start}log"
        self.channel = f"{start}changes"
        self.records = f"{start}keys"
        self.ids = f"{start}key-ids"
        self.tenants = f"{start}tenants"
        self.tenant_ids = f"{start}tenant-ids"
        self.revocations = f"{start}revocations"
        self.ends = f"{start}revocation-ends"
        self.blocks = f"{start}blocks"
        self.block_ids = f"{start}block-ids"
        self.block_ends = f"{start}block-ends"
        self.limits = f"{start}limit:"
        self.limits_epoch = f"{start}limits-epoch"

    def ids_of(self, tenant: TenantId | None) -> str:
        """Name the sorted set of the ids of a tenant's keys, or of those of no tenant."""
        return f"{self._start}key-ids:{tenant or ''}"

    def domains_of(self, tenant: TenantId, project: str) -> str:
        """Name the sorted set of a project's unregistered domains."""
        return f"{self._start}domains:{tenant}/{project}"

    def secrets_of(self, tenant: str) -> str:
        """Name the hash of a tenant's sealed secrets, or of the installation's."""
        return f"{self._start}secrets:{tenant}"
