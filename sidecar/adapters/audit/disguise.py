"""Pseudonyms in records, for a policy that asks for them; others import none of this."""

from collections.abc import Callable
from functools import partial
from typing import Final

from sidecar.adapters.audit.record import Deed, Record
from sidecar.knowledge.audit.pseudonyms import address_pseudonym, email_pseudonym, is_email
from sidecar.model.exchange import Exchange
from sidecar.model.memo import Memo
from sidecar.model.verdict import Verdict
from sidecar.policy.schema.alerts import Pseudonyms

_REMEMBERED: Final = 4096

Compose = Callable[[Exchange, Verdict], Record]


class Disguise:
    """Puts pseudonyms in the place of addresses and of subjects that are e-mail addresses.

    Args:
        section: the policy's key, and what is to be disguised.

    Attributes:
        address: disguises an IP address.
    """

    def __init__(self, section: Pseudonyms) -> None:
        key = section.key
        self.address: Callable[[str], str] = str
        self._email: Callable[[str], str] = str
        if section.addresses:
            self.address = Memo(partial(address_pseudonym, key), _REMEMBERED)
        if section.emails:
            self._email = Memo(partial(email_pseudonym, key), _REMEMBERED)

    def over(self, compose: Compose) -> Compose:
        """Disguise the records that a function composes."""

        def disguised(exchange: Exchange, verdict: Verdict) -> Record:
            return self.put_on(compose(exchange, verdict))

        return disguised

    def put_on(self, record: Record) -> Record:
        """Disguise a record, and return it."""
        if record.ip_address is not None:
            record.ip_address = self.address(record.ip_address)
        record.user_id = self._optional(record.user_id)
        record.actor = self._optional(record.actor)
        record.resource_id = self.subject(record.resource_id)
        if isinstance(record.metadata, Deed):
            details = record.metadata.details
            record.metadata.details = {name: self._fact(fact) for name, fact in details.items()}
        return record

    def _optional(self, text: str | None) -> str | None:
        return None if text is None else self.subject(text)

    def subject(self, text: str) -> str:
        """Disguise a subject, if it looks like an e-mail address."""
        return self._email(text) if is_email(text) else text

    def _fact(self, fact: object) -> object:
        if isinstance(fact, list):
            return [self._fact(item) for item in fact]
        return self.subject(fact) if isinstance(fact, str) else fact
