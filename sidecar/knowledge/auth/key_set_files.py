"""Key sets that a policy holds itself, in files and secrets: nobody has to be asked for them."""

from collections.abc import Iterable

from sidecar.knowledge.auth.key_set import read_key_set, secret_key_set
from sidecar.model.identity import KeySet
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.jwt import Issuer


def key_sets_of(issuers: Iterable[Issuer], now: float) -> dict[str, KeySet]:
    """Read them.

    Args:
        issuers: issuers of the policy.
        now: Unix seconds.

    Returns:
        Key sets by issuer; those that cannot be read, or are elsewhere, are left out.
    """
    found = {issuer.issuer: _key_set_of(issuer, now) for issuer in issuers}
    return {name: key_set for name, key_set in found.items() if key_set is not None}


def _key_set_of(issuer: Issuer, now: float) -> KeySet | None:
    if issuer.secret is not None:
        return secret_key_set(issuer.issuer, issuer.secret, now)
    if not isinstance(issuer.jwks, NamedFile):
        return None
    published = read_key_set(issuer.issuer, issuer.jwks.content, now)
    return None if isinstance(published, str) else published.key_set
