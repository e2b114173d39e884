"""The section `reload`: how another policy comes into force while the sidecar serves."""

from typing import Literal

from sidecar.policy.schema.quantities import Duration
from sidecar.policy.schema.section import Section


class Reload(Section):
    """How a changed policy comes into force without a restart.

    Attributes:
        every: how often the files that the policy was read from are looked at; 0s never, then only
            SIGHUP and the admin API reload.
        widening: `acknowledge` keeps the policy in force when another one admits somebody new, or
            may do so, until a token of the role `admin` acknowledges exactly that change; `allow`
            asks nobody.
    """

    every: Duration = 1.0
    widening: Literal["allow", "acknowledge"] = "allow"
