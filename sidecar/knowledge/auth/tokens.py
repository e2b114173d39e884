"""The prover of tokens: JWTs by their issuer's keys, opaque tokens by their issuer's word.

A token that was verified is remembered by its SHA-256, and each use of the memory asks again what
may have changed since: the time, the revocations, the issuer's keys (AN-16). Only verified tokens
are remembered, so nobody can flush the memory with tokens of their own making.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sidecar.knowledge.auth.claims import Mapped, Source, bearer_of
from sidecar.knowledge.auth.compact import Compact, claimed_issuers, take_apart
from sidecar.knowledge.auth.jwt import (
    UNKNOWN_KID,
    Lifetime,
    Rules,
    Verifier,
    claims_problem,
    header_problem,
    holds_audience,
    lifetime_of,
    seconds_of,
    signature_problem,
    time_problem,
)
from sidecar.knowledge.auth.prover import Proof, unauthorized, unavailable
from sidecar.knowledge.auth.token_memory import Remembered, TokenMemory
from sidecar.model.exchange import Exchange
from sidecar.model.identity import Introspection, KeySet, Method, Principal
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.ports import UNKNOWN, AtHand
from sidecar.model.questions import FindKeySet, Introspect, Question
from sidecar.policy.schema.authentication import Authentication

# RFC 6750 §2.1: b64token.
_BEARER: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*\Z")
_FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class OpaqueRules:
    """The rules of opaque tokens, compiled.

    Attributes:
        prefix: what they begin with; empty when every token that is nobody else's is one.
        issuer: `iss` that an answer must have, if it has one; empty for any.
    url: the endpoint, which stands for an issuer without a name.
        audiences: `aud` must hold one of them; none given: not asked.
        mapped: which member says what.
    """

    prefix: bytes
    issuer: str
    url: str
    audiences: frozenset[str]
    mapped: Mapped


class TokenProver:
    """Proves callers by tokens of others.

    Args:
        authentication: the section of the policy.
        at_hand: what is known without waiting.

    Controls: AN-13, AN-16.
    """

    def __init__(self, authentication: Authentication, at_hand: AtHand) -> None:
        self._rules = {one.issuer: Rules.compile(one) for one in authentication.jwt}
        self._opaque = _opaque_rules(authentication)
        self._limit_bytes = authentication.token_cache.token_size
        self._memory = TokenMemory(authentication.token_cache.entries)
        self._key_sets = at_hand.key_sets
        self._introspections = at_hand.introspections
        self._revocations = at_hand.revocations
        self._verifies = _verifier() if self._rules else None
        self._glanced: bytes = b""
        self._digest: bytes = b""

    def recognises(self, value: bytes) -> bool:
        """Tell whether a value is a token of a configured issuer, good or bad."""
        if self._memory.get(self._digest_of(value)) is not None:
            return True
        return self._is_jwt(value) or self._is_opaque(value)

    def judge(self, credential: bytes, exchange: Exchange) -> Proof:
        """Judge a token: by memory, else by the keys or the word of its issuer."""
        remembered = self._memory.get(self._digest_of(credential))
        if remembered is None:
            return self._judge_anew(credential, exchange.now)
        if remembered.principal.method is Method.JWT:
            vouched_by: object = self._key_sets.at_hand(remembered.issuer)
        else:
            vouched_by = self._introspections.at_hand(credential, exchange.now)
        if vouched_by is not remembered.vouched_by:
            # The keys were changed, or the word has grown old: neither is a reason to refuse.
            return self._judge_anew(credential, exchange.now)
        return self._use(remembered, exchange.now)

    def resume(
        self, credential: bytes, exchange: Exchange, question: Question, answer: object
    ) -> Proof:
        """Go on with an issuer's keys, or with what it said of an opaque token."""
        if isinstance(question, Introspect) and isinstance(answer, Introspection):
            return self._judge_opaque(credential, answer, exchange.now)
        if not isinstance(question, FindKeySet) or not isinstance(answer, KeySet):
            return unavailable("token: the answer is not to its question")
        token = self._checked(credential)
        if isinstance(token, Refuse):
            return token
        return self._judge_jwt(credential, token, answer, exchange.now)

    def _is_jwt(self, value: bytes) -> bool:
        return not self._rules.keys().isdisjoint(claimed_issuers(value))

    def _is_opaque(self, value: bytes) -> bool:
        return self._opaque is not None and value.startswith(self._opaque.prefix)

    def _digest_of(self, token: bytes) -> bytes:
        # One request asks twice, with the same object: the digest is the dearest part of a hit.
        if token is not self._glanced:
            self._digest = sha256(token).digest()
            self._glanced = token
        return self._digest

    def _use(self, remembered: Remembered, now: float) -> Proof:
        """Admit a token unless it has ended or is revoked; each use comes by here (AN-16)."""
        principal = remembered.principal
        lifetime = remembered.lifetime
        if not lifetime.not_before <= now < lifetime.expires_at:
            return unauthorized(f"{principal.method}: {time_problem(lifetime, now)}")
        revocations = self._revocations
        if not revocations.is_current():
            return unavailable(f"{principal.method}: revocations are not known")
        for identities in remembered.identities:
            if revocations.is_revoked(remembered.issuer, identities, lifetime.issued_at):
                return unauthorized(f"{principal.method}: revoked")
        return principal

    def _judge_anew(self, credential: bytes, now: float) -> Proof:
        opaque = self._opaque
        is_opaque = opaque is not None and credential.startswith(opaque.prefix)
        # Without a prefix an opaque token is what no issuer of JWTs is named in.
        if is_opaque and not self._is_jwt(credential):
            return self._ask_about(credential, now)
        token = self._checked(credential)
        if isinstance(token, Refuse):
            return token
        issuer = str(token.claims["iss"])
        key_set = self._key_sets.at_hand(issuer)
        if key_set is UNKNOWN:
            return Ask(FindKeySet(issuer, ""))
        proof = self._judge_jwt(credential, token, key_set, now)
        if isinstance(proof, Refuse) and proof.reason == UNKNOWN_KID:
            # The issuer may have new keys; whoever answers bounds how often it is asked.
            return Ask(FindKeySet(issuer, str(token.header["kid"])))
        return proof

    def _checked(self, credential: bytes) -> Compact | Refuse:
        """Take a JWT apart and let its issuer's rules judge the header."""
        token = take_apart(credential, self._limit_bytes)
        if isinstance(token, str):
            return unauthorized(token)
        issuer = token.claims.get("iss")
        rules = self._rules.get(issuer) if isinstance(issuer, str) else None
        if rules is None:
            return unauthorized("jwt: unknown issuer")
        problem = header_problem(token.header, rules)
        return unauthorized(problem) if problem else token

    def _judge_jwt(self, credential: bytes, token: Compact, key_set: KeySet, now: float) -> Proof:
        rules = self._rules[str(token.claims["iss"])]
        verifies = self._verifies
        if verifies is None or key_set.issuer != rules.issuer:
            return unauthorized("jwt: key set of another issuer")
        problem = signature_problem(token, key_set, verifies)
        problem = problem or claims_problem(token.claims, rules)
        if problem:
            return unauthorized(problem)
        lifetime = lifetime_of(token.claims, rules, now)
        if isinstance(lifetime, str):
            return unauthorized(lifetime)
        # Of what is signed: an ECDSA signature can be written in two ways by whoever has one.
        fingerprint = _fingerprint(sha256(token.signed).digest())
        source = Source(Method.JWT, rules.issuer, fingerprint, lifetime.expires_at)
        bearer = bearer_of(token.claims, rules.mapped, source)
        if isinstance(bearer, str):
            return unauthorized(bearer)
        remembered = Remembered(
            bearer.principal, rules.issuer, bearer.identities, lifetime, key_set, len(credential)
        )
        return self._admit(credential, remembered, now)

    def _ask_about(self, credential: bytes, now: float) -> Proof:
        if len(credential) > self._limit_bytes:
            return unauthorized("introspection: too large")
        if not _BEARER.match(credential):
            return unauthorized("introspection: not a token")
        answer = self._introspections.at_hand(credential, now)
        if answer is UNKNOWN:
            return Ask(Introspect(credential))
        return self._judge_opaque(credential, answer, now)

    def _judge_opaque(self, credential: bytes, answer: Introspection, now: float) -> Proof:
        opaque = self._opaque
        if opaque is None:
            return unavailable("token: the answer is not to its question")
        problem = _answer_problem(answer, opaque)
        if problem:
            return unauthorized(f"introspection: {problem}")
        claims = answer.claims
        lifetime = _said_lifetime(claims)
        issuer = str(claims.get("iss", opaque.issuer or opaque.url))
        ends_at = None if lifetime.expires_at == _FOREVER else lifetime.expires_at
        fingerprint = _fingerprint(self._digest_of(credential))
        source = Source(Method.INTROSPECTION, issuer, fingerprint, ends_at)
        bearer = bearer_of(claims, opaque.mapped, source)
        if isinstance(bearer, str):
            return unauthorized(bearer)
        remembered = Remembered(
            bearer.principal, issuer, bearer.identities, lifetime, answer, len(credential)
        )
        return self._admit(credential, remembered, now)

    def _admit(self, credential: bytes, remembered: Remembered, now: float) -> Proof:
        proof = self._use(remembered, now)
        if isinstance(proof, Principal):
            self._memory.put(self._digest_of(credential), remembered)
        return proof


def _fingerprint(digest: bytes) -> str:
    return digest[:8].hex()


def _verifier() -> Verifier:
    # PyJWT and cryptography cost memory: only a policy with an issuer of JWTs pays it.
    from sidecar.knowledge.auth.signature import is_signed

    return is_signed


def _opaque_rules(authentication: Authentication) -> OpaqueRules | None:
    section = authentication.introspection
    if section is None:
        return None
    accepts = section.unknown_tenants == "accept"
    return OpaqueRules(
        (section.prefix or "").encode(),
        section.issuer or "",
        section.url,
        frozenset(section.audiences),
        Mapped.compile(section.claims, accepts_unknown_tenant=accepts),
    )


def _answer_problem(answer: Introspection, opaque: OpaqueRules) -> str:
    """Say why an active token is refused nevertheless (RFC 7662 §2.2, §4)."""
    claims: Mapping[str, object] = answer.claims
    if not answer.is_active:
        return "not active"
    issuer = claims.get("iss", opaque.issuer)
    if not isinstance(issuer, str) or (opaque.issuer and issuer != opaque.issuer):
        return "issuer not ours"
    if opaque.audiences and not holds_audience(claims.get("aud"), opaque.audiences):
        return "audience not ours"
    if any(name in claims and seconds_of(claims[name]) is None for name in ("exp", "nbf", "iat")):
        return "a time is no time"
    return ""


def _said_lifetime(claims: Mapping[str, object]) -> Lifetime:
    not_before = seconds_of(claims.get("nbf"))
    expires_at = seconds_of(claims.get("exp"))
    return Lifetime(
        -_FOREVER if not_before is None else not_before,
        _FOREVER if expires_at is None else expires_at,
        seconds_of(claims.get("iat")),
    )
