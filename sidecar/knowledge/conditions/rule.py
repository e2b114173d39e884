"""The rule that judges the conditions of a policy, for whoever loads one."""

from typing import Final

from sidecar.knowledge.conditions.bounds import ConditionError
from sidecar.knowledge.conditions.compile import compile_condition
from sidecar.policy.rules.findings import Findings, Judged


def unusable_conditions(judged: Judged) -> Findings:
    """Conditions that are beyond the bounds, no CEL, or without their library (AZ-6)."""
    for index, route in enumerate(judged.policy.routes):
        if route.condition is None:
            continue
        try:
            compile_condition(route.condition)
        except ConditionError as error:
            yield judged.error(("routes", index, "condition"), str(error), error.hint)


RULES: Final = (unusable_conditions,)
"""Rules that join those of the policy's own level when one is loaded to be run or checked."""
