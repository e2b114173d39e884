"""What may be asked about tokens of others: the row of the table."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.operations import Call, Operation
from sidecar.lifecycle.tokens import Tokens
from sidecar.model.identity import Revocation, RevocationKind
from sidecar.model.moments import write_moment
from sidecar.policy.schema.quantities import PositiveDuration
from sidecar.policy.schema.section import Section

_KINDS: Final[Mapping[str, RevocationKind]] = {
    "jti": RevocationKind.TOKEN,
    "sid": RevocationKind.SESSION,
    "sub": RevocationKind.SUBJECT,
    "tenant": RevocationKind.TENANT,
}


class RevokedTokens(Section):
    """Which tokens are revoked: one of `jti`, `sid`, `sub` and `tenant`.

    Attributes:
        jti: one token.
        sid: the tokens of a session.
        sub: the tokens of a subject that were issued before now.
        tenant: the tokens of a tenant that were issued before now.
        issuer: only those of this issuer.
        life: for how long; as long as a token can be valid if left out.
    """

    jti: str | None = None
    sid: str | None = None
    sub: str | None = None
    tenant: str | None = None
    issuer: str = ""
    life: Annotated[PositiveDuration | None, Field(examples=["24h"])] = None


class TokenDesk:
    """Answers what is asked about tokens.

    Args:
        tokens: revokes tokens.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def operations(self) -> tuple[Operation, ...]:
        """List the rows."""
        return (Operation("POST", "/v1/tokens/revoke", self._revoke, has_body=True, status=201),)

    async def _revoke(self, call: Call) -> Mapping[str, object]:
        said = call.read(RevokedTokens)
        named = {name: getattr(said, name) for name in _KINDS}
        given = [(name, value) for name, value in named.items() if value is not None]
        if len(given) != 1:
            raise BadValueError(
                "which tokens is not said, or said twice", "jti, sid, sub or tenant"
            )
        ((name, value),) = given
        revocation = await self._tokens.revoke(
            call.actor, _KINDS[name], value, issuer=said.issuer, life_seconds=said.life
        )
        return revocation_document(name, revocation)


def revocation_document(name: str, revocation: Revocation) -> Mapping[str, object]:
    """Write what was revoked, and until when it is remembered."""
    return {
        name: revocation.value,
        "issuer": revocation.issuer or None,
        "until": write_moment(revocation.expires_at),
    }
