"""The rule that judges the conditions of a policy, for whoever loads one."""

from sidecar.policy.rules.findings import Findings, Judged


def unusable_conditions(judged: Judged) -> Findings:
    """Conditions that are beyond the bounds, no CEL, or without their library (AZ-6)."""
    given = [(i, r.condition) for i, r in enumerate(judged.policy.routes) if r.condition]
    if not given:
        return
    # What reads conditions is memory that only a policy with one pays.
    from sidecar.knowledge.conditions.bounds import ConditionError
    from sidecar.knowledge.conditions.compile import compile_condition

    for index, condition in given:
        try:
            compile_condition(condition)
        except ConditionError as error:
            yield judged.error(("routes", index, "condition"), str(error), error.hint)
