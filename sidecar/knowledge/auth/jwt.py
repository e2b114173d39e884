"""The rules that a JWT must keep, issuer by issuer (RFC 7519, RFC 8725, RFC 9068).

A token goes through four gates in this order: it is taken apart, its issuer's rules judge the
header, a key of that issuer verifies the signature, and the rules judge the claims. Each gate says
why it refuses, for the audit alone. Nothing in a token chooses an algorithm, a key's address or a
rule; `jku`, `jwk`, `x5u` and `x5c` are not even read (RFC 8725 §3.10).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from sidecar.knowledge.auth.claims import MISSING, Mapped, path_of, value_at
from sidecar.knowledge.auth.compact import Compact
from sidecar.model.identity import KeySet, VerifyingKey
from sidecar.model.secret import Secret
from sidecar.policy.schema.jwt import Issuer

_LATEST: Final = float(2**53)
"""Bound of a NumericDate; the year 285 million."""

_KIND: Final = {"H": "oct", "R": "RSA", "P": "RSA", "E": "EC"}
_TRIES: Final = 4
"""Keys of one `kid` that are tried; each costs a verification."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one issuer, compiled.

    Attributes:
        issuer: `iss`, exactly.
        audiences: `aud` must hold one of them.
        algorithms: signature algorithms that are accepted.
        types: accepted `typ` in lower case, without `application/`.
        leeway: seconds that clocks may differ.
        max_life: longest life in seconds.
        require: paths of further claims that must be there.
        mapped: which claim says what.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str]
    leeway: float
    max_life: float
    require: tuple[tuple[str, ...], ...]
    mapped: Mapped

    @classmethod
    def compile(cls, issuer: Issuer) -> Self:
        """Compile one entry of `authentication.jwt`."""
        return cls(
            issuer.issuer,
            frozenset(issuer.audiences),
            frozenset(issuer.algorithms),
            frozenset(_type_of(name) for name in issuer.types),
            issuer.leeway,
            issuer.max_life,
            tuple(path_of(claim) for claim in issuer.require),
            Mapped.compile(
                issuer.claims, accepts_unknown_tenant=issuer.unknown_tenants == "accept"
            ),
        )


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a token may be used.

    Attributes:
        not_before: Unix seconds; leeway is in it.
        expires_at: Unix seconds from which it is refused; leeway is in it.
        issued_at: Unix seconds of `iat`; None when it has none.
    """

    not_before: float
    expires_at: float
    issued_at: float | None


def _type_of(name: str) -> str:
    # RFC 7515 §4.1.9: media types, `application/` left out where no other slash follows.
    return name.lower().removeprefix("application/")


def header_problem(header: dict[str, object], rules: Rules) -> str:
    """Say why a JOSE header is refused; empty when it is not.

    Source: RFC 8725 §3.1, §3.11; RFC 7515 §4.1.11; RFC 7519 §5.2.
    """
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        return "jwt: algorithm not allowed"
    # We understand no extension, so every critical one must refuse; so does an unencoded payload
    # (RFC 7797), compression, and what belongs to encryption alone.
    for name in ("crit", "b64", "zip", "enc"):
        if name in header:
            return f"jwt: {name} in the header"
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or _type_of(kind) not in rules.types:
        return "jwt: type not allowed"
    content = header.get("cty", "")
    if content != "":
        return "jwt: nested"
    if not isinstance(header.get("kid", ""), str):
        return "jwt: kid is no text"
    return ""


def candidates(key_set: KeySet, key_id: str, algorithm: str) -> list[VerifyingKey] | str:
    """Choose the keys that may have signed a token.

    Args:
        key_set: the issuer's keys.
        key_id: `kid` of the token; empty when it has none.
        algorithm: an algorithm that the policy allows.

    Returns:
        Keys that fit the algorithm, few; or why there are none. UNKNOWN_KID is the one reason that
        newer keys may mend.

    Source: RFC 7515 §4.1.4; RFC 8725 §3.1: a key is used with the algorithm it is for.
    """
    if key_id:
        # A secret of the policy has no name; issuers name theirs as they like.
        named = [key for key in key_set.keys if key.kind == "oct" or key.key_id == key_id]
        if not named:
            return UNKNOWN_KID
        fitting = [key for key in named if _fits(key, algorithm)]
        return fitting[:_TRIES] if fitting else "jwt: key does not fit the algorithm"
    fitting = [key for key in key_set.keys if _fits(key, algorithm)]
    if len(fitting) == 1:
        return fitting
    return "jwt: no kid, and several keys fit" if fitting else "jwt: no key fits the algorithm"


UNKNOWN_KID: Final = "jwt: unknown kid"


def _fits(key: VerifyingKey, algorithm: str) -> bool:
    if key.kind != _KIND.get(algorithm[0] if algorithm != "EdDSA" else "", "OKP"):
        return False
    if key.kind == "oct":
        # RFC 7518 §3.2: at least as long as the hash.
        return isinstance(key.key, Secret) and len(key.key.reveal()) * 8 >= int(algorithm[2:])
    return key.algorithm is None or key.algorithm == algorithm


def lifetime_of(claims: dict[str, object], rules: Rules, now: float) -> Lifetime | str:
    """Read when a token may be used, and judge when it was issued and for how long.

    Args:
        claims: its verified claims.
        rules: its issuer's rules.
        now: Unix seconds.

    Returns:
        When it may be used, or why never.

    Source: RFC 7519 §4.1.4 to §4.1.6.
    """
    times: dict[str, float] = {}
    for name in ("exp", "nbf", "iat"):
        if name not in claims:
            continue
        time = seconds_of(claims[name])
        if time is None:
            return f"jwt: {name} is no time"
        times[name] = time
    expiry = times.get("exp")
    if expiry is None:
        return "jwt: exp missing"
    issued_at = times.get("iat")
    if issued_at is not None and issued_at > now + rules.leeway:
        return "jwt: issued in the future"
    if expiry - (now if issued_at is None else issued_at) > rules.max_life:
        return "jwt: lives too long"
    return Lifetime(times.get("nbf", -_LATEST) - rules.leeway, expiry + rules.leeway, issued_at)


def time_problem(lifetime: Lifetime, now: float) -> str:
    """Say why a token may not be used at this time; empty when it may."""
    if now >= lifetime.expires_at:
        return "expired"
    return "not valid yet" if now < lifetime.not_before else ""


def seconds_of(value: object) -> float | None:
    """Read a NumericDate (RFC 7519 §2); None when it is none."""
    # JSON's true is Python's 1.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_LATEST < value < _LATEST else None


def claims_problem(claims: dict[str, object], rules: Rules) -> str:
    """Say why claims are refused; empty when they are not.

    The issuer is not among them: the rules are those of the exact `iss`, and so are the keys.

    Source: RFC 7519 §4.1; RFC 8725 §3.8, §3.9.
    """
    if not holds_audience(claims.get("aud"), rules.audiences):
        return "jwt: audience not ours"
    missing = any(value_at(claims, path) in (MISSING, None) for path in rules.require)
    return "jwt: required claim missing" if missing else ""


def holds_audience(value: object, audiences: frozenset[str]) -> bool:
    """Whether `aud`, a text or a list of texts, holds one of ours, compared exactly."""
    if isinstance(value, str):
        return value in audiences
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return False
    return not audiences.isdisjoint(value)


Verifier = Callable[[str, object, bytes, bytes], bool]
"""Tells whether a signature is good, of algorithm, key, signed bytes and signature."""


def signature_problem(token: Compact, key_set: KeySet, verifies: Verifier) -> str:
    """Say why no key of the issuer vouches for a token; empty when one does.

    Args:
        token: a token whose header passed.
        key_set: the issuer's keys.
        verifies: checks one signature.

    Controls: AN-13.
    """
    algorithm = str(token.header["alg"])
    keys = candidates(key_set, str(token.header.get("kid", "")), algorithm)
    if isinstance(keys, str):
        return keys
    if any(verifies(algorithm, key.key, token.signed, token.signature) for key in keys):
        return ""
    return "jwt: wrong signature"
