"""The rule that judges the schemas of a policy, for whoever loads one."""

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged


def unusable_schemas(judged: Judged) -> Findings:
    """Schemas that are none, fetch others, take unbounded time, or lack their library (RQ-3)."""
    policy = judged.policy
    given: list[tuple[Path, str]] = []
    if policy.body.json_schema is not None:
        given.append((("body", "schema"), policy.body.json_schema))
    for index, route in enumerate(policy.routes):
        if route.body is not None and route.body.json_schema is not None:
            given.append((("routes", index, "body", "schema"), route.body.json_schema))
    if not given:
        return
    # What compiles schemas is memory that only a policy with one pays.
    from sidecar.knowledge.validate.schema import error_of

    # Operations of a document have many schemas in common.
    found = {text: error_of(text) for text in {text for _, text in given}}
    for path, text in given:
        if (error := found[text]) is not None:
            yield judged.error(path, str(error), error.hint)
