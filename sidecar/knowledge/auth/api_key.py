"""API keys: who presents one, or why it does not count (AN-1 to AN-4, AN-7, AN-10, AN-16)."""

from collections.abc import Sequence
from hmac import compare_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import inf
from typing import Final

from sidecar.knowledge.auth.digest import DigestRing
from sidecar.knowledge.auth.key_format import MALFORMED, MISTYPED, KeyPatterns
from sidecar.knowledge.auth.prover import Proof, unauthorized
from sidecar.model.exchange import Exchange
from sidecar.model.identity import KeyDigest, KeyRecord, KeyStatus, Method, Principal
from sidecar.model.memo import Memo
from sidecar.model.outcome import Ask, Refuse
from sidecar.model.ports import UNKNOWN, KnownKeys
from sidecar.model.questions import FindKey, Question
from sidecar.model.secret import Secret
from sidecar.policy.schema.api_keys import ApiKeys

_JUDGED_MAX: Final = 4096
_CLIENTS_MAX: Final = 64
_NO_DIGEST: Final = bytes(32)

_FAULTS: Final = {MALFORMED: unauthorized(MALFORMED), MISTYPED: unauthorized(MISTYPED)}
_UNKNOWN_KEY: Final = unauthorized("unknown key")
_UNKNOWN_PEPPER: Final = unauthorized("key of an unknown pepper")
_REVOKED: Final = unauthorized("revoked key")
_DISABLED: Final = unauthorized("disabled key")
_EXPIRED: Final = unauthorized("expired key")
_NOT_YET: Final = unauthorized("key not yet valid")
_WRONG_ADDRESS: Final = unauthorized("address not allowed for the key")


class ApiKeyProver:
    """Proves callers by API keys.

    1. Its digest under the newest pepper is at hand;
    2. or it fits a format of the policy, its checksum included, since a slip costs no look-up, and
       the store is asked for all its digests.
    3. The digest under the record's own pepper is compared in constant time; without a record a
       comparison is made all the same (AN-4).
    4. Status, times and address are judged anew on each use (AN-16).

    Args:
        section: what keys look like.
        peppers: the peppers, the newest first; none for plain SHA-256.
        known: keys that were looked up lately. What it holds under the newest digest of a key must
            be the answer to `FindKey` for that key, whatever the pepper of the record.
    """

    __slots__ = ("_digest", "_glanced", "_judged", "_known", "_patterns", "_ring", "_starts")

    def __init__(self, section: ApiKeys, peppers: Sequence[Secret], known: KnownKeys) -> None:
        self._patterns = KeyPatterns(section.formats)
        self._ring = DigestRing(peppers)
        self._known = known
        self._starts = self._patterns.starts
        self._judged: dict[str, JudgedKey] = {}
        self._glanced = b""
        self._digest = KeyDigest(b"")

    def recognises(self, value: bytes) -> bool:
        """Tell whether a value begins like a key of the policy."""
        return value.startswith(self._starts)

    def judge(self, credential: bytes, exchange: Exchange) -> Proof:
        """Judge a key by what is at hand, or ask for its record."""
        # A connection sends the same object again: its digest is the dearest part of a hit.
        if credential is not self._glanced:
            self._digest = self._ring.digest(credential)
            self._glanced = credential
        digest = self._digest
        record = self._known.at_hand(digest)
        # What has a record fitted a format when it was looked up.
        if record is None or record is UNKNOWN:
            fault = self._patterns.fault_of(credential)
            if fault:
                return _FAULTS[fault]
            if record is UNKNOWN:
                return Ask(FindKey(self._ring.digests(credential)))
        return self._compare(credential, digest, record, exchange)

    def resume(
        self,
        credential: bytes,
        exchange: Exchange,
        question: Question,  # noqa: ARG002 -- the port's; a key asks one question only
        answer: object,
    ) -> Proof:
        """Judge a key by the record that the store has, or has not."""
        record = answer if isinstance(answer, KeyRecord) else None
        return self._compare(credential, self._ring.digest(credential), record, exchange)

    def _compare(
        self, credential: bytes, digest: KeyDigest, record: KeyRecord | None, exchange: Exchange
    ) -> Proof:
        if record is None:
            compare_digest(digest, _NO_DIGEST)
            return _UNKNOWN_KEY
        if record.pepper != self._ring.newest:
            own = self._ring.digest_under(record.pepper, credential)
            if own is None:
                return _UNKNOWN_PEPPER
            digest = own
        if not compare_digest(digest, record.digest):
            return _UNKNOWN_KEY
        key = self._judged.get(record.id)
        if key is None or key.record is not record:
            key = self._learn(record, key)
        return key.judge(exchange.now, exchange.client)

    def _learn(self, record: KeyRecord, key: "JudgedKey | None") -> "JudgedKey":
        # The same key read again keeps its principal, and what others have derived from that.
        if key is not None and key.record == record:
            return key
        if len(self._judged) >= _JUDGED_MAX:
            self._judged.clear()
        made = self._judged[record.id] = JudgedKey(record)
        return made


class JudgedKey:
    """What a record says of every use of its key, computed once.

    Attributes:
        record: the record.
        principal: who the key stands for.
    """

    __slots__ = (
        "_admits",
        "_expires_at",
        "_networks",
        "_not_before",
        "_refusal",
        "principal",
        "record",
    )

    def __init__(self, record: KeyRecord) -> None:
        self.record = record
        self.principal = principal_of(record)
        self._refusal = _refusal_of(record)
        self._not_before = -inf if record.not_before is None else record.not_before
        self._expires_at = inf if record.expires_at is None else record.expires_at
        self._networks = _networks_of(record.addresses)
        self._admits: Memo[str, bool] | None = None
        if record.addresses:
            self._admits = Memo(self._is_inside, _CLIENTS_MAX)

    def judge(self, now: float, client: str) -> Principal | Refuse:
        """Judge one use.

        Args:
            now: Unix seconds.
            client: address of the client.
        """
        if self._refusal is not None:
            return self._refusal
        if now >= self._expires_at:
            return _EXPIRED
        if now < self._not_before:
            return _NOT_YET
        if self._admits is not None and not self._admits(client):
            return _WRONG_ADDRESS
        return self.principal

    def _is_inside(self, client: str) -> bool:
        address = _address_of(client)
        if address is None:
            return False
        for network in self._networks:
            if network.version == address.version and address in network:
                return True
        return False


def principal_of(record: KeyRecord) -> Principal:
    """Make the principal that a key stands for."""
    memberships = {} if record.tenant is None else {str(record.tenant): record.roles}
    return Principal(
        Method.API_KEY,
        record.subject,
        record.id,
        memberships=memberships,
        scopes=frozenset(record.scopes),
        login=Method.API_KEY.value,
        tier=record.tier,
        kind=record.kind,
        project=record.project,
        key_prefix=record.prefix,
        is_read_only=record.is_read_only,
        expires_at=record.expires_at,
    )


def _refusal_of(record: KeyRecord) -> Refuse | None:
    if record.status is KeyStatus.REVOKED:
        return _REVOKED
    if record.status is KeyStatus.DISABLED:
        return _DISABLED
    # A rotated key without an end would live for ever beside the one that replaced it.
    if record.status is KeyStatus.GRACE and record.expires_at is None:
        return _EXPIRED
    return None


def _networks_of(addresses: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    # A network that cannot be read admits nobody; the others still do.
    networks = []
    for address in addresses:
        try:
            networks.append(ip_network(address, strict=False))
        except ValueError:
            continue
    return networks


def _address_of(client: str) -> IPv4Address | IPv6Address | None:
    # A Unix socket's peer has no address.
    try:
        address = ip_address(client)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
