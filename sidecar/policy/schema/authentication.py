"""The section `authentication`: how callers prove who they are."""

from typing import Literal

from sidecar.policy.schema.api_keys import ApiKeys
from sidecar.policy.schema.jwt import Introspection, Issuer, TokenCache
from sidecar.policy.schema.names import CookieName
from sidecar.policy.schema.quantities import Duration, Flag, PositiveDuration
from sidecar.policy.schema.section import Section


class Failure(Section):
    """What every failed authentication has in common (AN-5, AN-6).

    Attributes:
        floor: least time until a failure is answered, the same for every cause.
        applies_to: `failures`, or `all` outcomes of authentication.
        verbose: true tells clients with a bad token so (RFC 6750 §3.1) instead of nothing.
    """

    floor: Duration = 0.0
    applies_to: Literal["failures", "all"] = "failures"
    verbose: Flag = False


class Authentication(Section):
    """How callers prove who they are; a credential of two methods at once is refused.

    Attributes:
        api_keys: API keys; none if left out.
        jwt: issuers of JWTs, each with its rules.
        cookie: cookie that may carry a JWT.
        introspection: opaque tokens, which their issuer is asked about.
        token_cache: the memory of verified tokens.
        failure: what every failed authentication has in common.
        forward_credential: true lets the upstream see the credential that was used.
        max_staleness: longest time for which a remembered key, tenant or token is used without word
            from the store that it still holds.
    """

    api_keys: ApiKeys | None = None
    jwt: tuple[Issuer, ...] = ()
    cookie: CookieName | None = None
    introspection: Introspection | None = None
    token_cache: TokenCache = TokenCache()
    failure: Failure = Failure()
    forward_credential: Flag = False
    max_staleness: PositiveDuration = 4.0

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are there, by the names that routes give them."""
        there = {
            "api_key": self.api_keys is not None,
            "jwt": bool(self.jwt),
            "introspection": self.introspection is not None,
        }
        return tuple(method for method, is_there in there.items() if is_there)

    @property
    def has_tokens(self) -> bool:
        """Whether a caller may prove with a token, signed or opaque, who it is."""
        return bool(self.jwt) or self.introspection is not None

    @property
    def has_methods(self) -> bool:
        """Whether a caller can prove at all who it is."""
        return self.api_keys is not None or self.has_tokens
