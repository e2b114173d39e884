"""Rules for what knowledge alone can judge: conditions, schemas, secrets, tokens, extras."""

from typing import Final

from sidecar.knowledge.auth.webhook_scheme import unusable_secrets
from sidecar.knowledge.conditions.rule import unusable_conditions
from sidecar.knowledge.export import spans_without_their_library
from sidecar.knowledge.mcp.rule import unusable_tokens
from sidecar.knowledge.validate.rule import unusable_schemas

RULES: Final = (
    unusable_conditions,
    unusable_schemas,
    unusable_secrets,
    unusable_tokens,
    spans_without_their_library,
)
"""Rules that join those of the policy's own level when one is loaded to be run or checked."""
