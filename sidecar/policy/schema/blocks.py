"""The section `blocks`: whether operators may shut out addresses, keys and tenants."""

from typing import Literal

from sidecar.policy.schema.section import Section


class Blocks(Section):
    """Blocks of addresses, API keys and tenants, which operators add and lift while it serves.

    Attributes:
        on_store_failure: `refuse` answers 503 while nobody can say for
            `authentication.max_staleness` who is blocked; `last_known` goes on with the list that
            was read last.
    """

    on_store_failure: Literal["refuse", "last_known"] = "refuse"
