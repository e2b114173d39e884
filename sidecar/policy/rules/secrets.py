"""Rules about what protects secrets, and about the tenants that need it."""

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged


def credentials_without_a_vault(judged: Judged) -> Findings:
    """A tenant whose upstream gets a credential that nothing could seal (SE-1)."""
    if judged.policy.secrets.master_key is not None:
        return
    for name, tenant in judged.policy.tenants.items():
        if tenant.upstream_credential is not None:
            yield judged.error(
                ("tenants", name, "upstream_credential"),
                "names a secret, which only secrets.master_key can seal and open",
                "secrets: {master_key: file:PATH}, a file made by openssl rand -hex 32",
            )


def credentials_without_an_upstream(judged: Judged) -> Findings:
    """A credential for an upstream that the tenant has not: it would never be sent (TN-6)."""
    for name, tenant in judged.policy.tenants.items():
        if tenant.upstream_credential is not None and tenant.upstream is None:
            yield judged.error(
                ("tenants", name, "upstream_credential"),
                "is for the tenant's own upstream, and the tenant has none",
                "upstream: the tenant's own, such as http://acme:3000",
            )


def sealing_in_the_open(judged: Judged) -> Findings:
    """Master keys that are written into the policy."""
    keys = judged.policy.secrets.master_key or ()
    ring: Path = ("secrets", "master_key")
    for index in range(len(keys)):
        # One alone may stand without a list.
        path = ring if judged.source_of(ring) else (*ring, index)
        if not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )
