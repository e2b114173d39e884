"""The section `reports`: what browsers say they blocked (RS-2)."""

from sidecar.policy.schema.quantities import Flag
from sidecar.policy.schema.section import Section


class Reports(Section):
    """Reports of browsers, taken at /.sidecar/reports of every host; `csp` tells where they go.

    Attributes:
        audit: true writes them to the audit trail too, without queries and fragments of URLs.
    """

    audit: Flag = False
