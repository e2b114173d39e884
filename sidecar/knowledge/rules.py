"""Rules for what a policy says in other languages: conditions in CEL, JSON Schemas."""

from typing import Final

from sidecar.knowledge.conditions.rule import unusable_conditions
from sidecar.knowledge.validate.rule import unusable_schemas

RULES: Final = (unusable_conditions, unusable_schemas)
"""Rules that join those of the policy's own level when one is loaded to be run or checked."""
