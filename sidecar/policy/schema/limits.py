"""The sections `tiers` and `limits`, and limits of routes: how much is admitted, and to whom."""

import re
from typing import Annotated, Final, Literal, Self

from sidecar.policy.schema.alone import EITHER_FORM, LISTED
from sidecar.policy.schema.names import Word
from sidecar.policy.schema.quantities import AllowanceText, Count, Duration, Flag, RateText
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import (
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from sidecar.policy.written import misfit, text_of

ANONYMOUS: Final = "anonymous"
"""Tier of everybody on public routes."""
PARTS: Final = ("address", "subject", "tenant", "key", "key_prefix", "project", "route")
MEASURES: Final = ("limit", "quota", "concurrency")
NAMED_PARTS: Final = ("header", "claim")
_NAMED: Final = re.compile(
    r"(header):([A-Za-z][A-Za-z0-9-]{0,63})\Z|(claim):([A-Za-z][A-Za-z0-9_-]{0,63})\Z"
)
_BY_HINT: Final = f"{', '.join(PARTS)}, header:NAME or claim:NAME; several as a list"


def _part(value: object) -> str:
    text = text_of(value, "subject")
    if text not in PARTS and not _NAMED.match(text):
        raise misfit("is nothing to count by", _BY_HINT)
    return str(text)


Part = Annotated[str, PlainValidator(_part), WithJsonSchema({"type": "string", "minLength": 1})]
Parts = Annotated[
    tuple[Part, ...],
    Field(min_length=1, examples=["address", "[subject, tenant]"]),
    LISTED,
    EITHER_FORM,
]


class Limit(Section):
    """One limit: a rate, a quota or a concurrency, and for whom it is counted.

    Attributes:
        limit: so many requests in any window of a time, as `60/min`; with `burst` the rate at which
            a bucket is filled.
        quota: so many in each day or month of the calendar (UTC) instead, as `10000/day`.
        concurrency: so many requests at the same time instead; a WebSocket or a stream counts
            until it ends.
        burst: size of the bucket: what a caller may have saved up.
        by: what is counted apart: `address`, `subject`, `tenant`, `key`, `key_prefix`, `project`,
            `route`, `header:NAME`, `claim:NAME`, or a list of these.
        charge_refused: true counts requests that it refuses too, so that whoever goes on knocking
            stays out.
        mode: `shadow` records what it would refuse.
        on_store_failure: while the counters cannot be reached: `refuse`, `local` to count in each
            process alone, or `allow`.
    """

    limit: RateText | None = None
    quota: AllowanceText | None = None
    concurrency: Count | None = None
    burst: Count | None = None
    by: Parts
    charge_refused: Flag = False
    mode: Literal["enforce", "shadow"] = "enforce"
    on_store_failure: Literal["refuse", "local", "allow"] = "refuse"

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        measures = [name for name in MEASURES if getattr(self, name) is not None]
        if not measures:
            raise misfit(
                "says neither limit nor quota nor concurrency",
                "limit: 60/min, quota: 10000/day, or concurrency: 10",
                is_quoted=False,
            )
        if len(measures) > 1:
            raise misfit(
                f"{' and '.join(measures)} are {len(measures)} limits",
                "leave one; tiers and routes may have several, as a list",
                is_quoted=False,
            )
        if self.limit is None and self.burst is not None:
            raise misfit(
                f"a {measures[0]} has no burst",
                "take burst out, or use limit: 60/min",
                is_quoted=False,
            )
        if self.concurrency is not None and self.charge_refused:
            raise misfit(
                "what is refused does not go on",
                "take charge_refused out, or use limit: 60/min",
                is_quoted=False,
            )
        return self


class TierLimit(Limit):
    """One limit of a tier.

    Attributes:
        custom_max: lets tenants have a rate of their own, up to this one: the attribute
            `rate_limit` of the tenant, as `5000/min`; `rate_burst` likewise, as `10000`.
    """

    custom_max: RateText | None = None

    @model_validator(mode="after")
    def _custom_rates(self) -> Self:
        if self.custom_max is not None and self.limit is None:
            raise misfit(
                "only a rate can be a tenant's own",
                "limit: 60/min, or take custom_max out",
                is_quoted=False,
            )
        return self


class AddressLimit(Limit):
    """A limit of each client address."""

    by: Parts = ("address",)


class FailureLimit(AddressLimit):
    """A limit of failed authentications, which are over at once."""

    @model_validator(mode="after")
    def _over_at_once(self) -> Self:
        if self.concurrency is not None:
            raise misfit("failures do not go on at the same time", "limit: 10/min", is_quoted=False)
        return self


class KeyLimit(Limit):
    """A limit of each API key, charged once the key is verified (RL-2)."""

    by: Parts = ("key_prefix",)


def _some(value: object) -> object:
    if value == []:
        raise misfit(
            "a tier without limits limits nobody",
            "{limit: 60/min, by: subject}, or a list of limits",
            is_quoted=False,
        )
    return value


Tier = Annotated[
    tuple[TierLimit, ...], Field(min_length=1), LISTED, BeforeValidator(_some), EITHER_FORM
]
Tiers = dict[Word, Tier]
Ipv4Prefix = Annotated[int, Field(ge=8, le=32)]
Ipv6Prefix = Annotated[int, Field(ge=16, le=128)]


class RateLimits(Section):
    """Limits for everybody, and how limits are counted.

    Attributes:
        address: of each client address, before anything else is looked at.
        key: of each API key, once it is verified.
        failed_authentication: of failed attempts to authenticate; who is over it is refused before
            a credential is looked at.
        default_tier: tier of callers whose own is none of `tiers`.
        ipv4_prefix: bits of an IPv4 address that are one client.
        ipv6_prefix: bits of an IPv6 address that are one client.
        strict: true admits nothing for the length of a limit after the server of the counters was
            restarted or replaced, since counts may be lost with it.
        lease: how long a process may use units that it took in advance, so that it need not ask for
            each request; 0s asks for each.
        entries: callers that are counted apart in the memory of a process; further ones share.
        fields: whether answers say in `RateLimit` and `RateLimit-Policy` what is left.
    """

    address: AddressLimit | None = None
    key: KeyLimit | None = None
    failed_authentication: FailureLimit | None = None
    default_tier: Word | None = None
    ipv4_prefix: Ipv4Prefix = 32
    ipv6_prefix: Ipv6Prefix = 64
    strict: Flag = False
    lease: Duration = 0.0
    entries: Count = 50_000
    fields: Flag = True
