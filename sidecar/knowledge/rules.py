"""Rules for what only knowledge can judge: conditions in CEL, JSON Schemas, webhook secrets."""

from typing import Final

from sidecar.knowledge.auth.webhook_scheme import unusable_secrets
from sidecar.knowledge.conditions.rule import unusable_conditions
from sidecar.knowledge.validate.rule import unusable_schemas

RULES: Final = (unusable_conditions, unusable_schemas, unusable_secrets)
"""Rules that join those of the policy's own level when one is loaded to be run or checked."""
