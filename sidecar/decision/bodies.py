"""What is decided about bodies that rules read; a policy without such rules imports none of it."""

from collections.abc import Mapping
from typing import Final

from sidecar.decision.steps.body_rules import BodyRules, CallerBodyRules
from sidecar.decision.strangers import Once
from sidecar.knowledge.validate.form import FormBounds
from sidecar.knowledge.validate.json_text import Bounds
from sidecar.knowledge.validate.places import parts_of
from sidecar.knowledge.validate.reading import Bound, Items, Judge, Reading, StorageKeys
from sidecar.knowledge.validate.unpack import Unpacking
from sidecar.model.refusals import RefusalCode
from sidecar.model.route import Step
from sidecar.policy.schema.body import FormBody
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.routes import Bind, Route

_MISMATCHES: Final = {403: RefusalCode.FORBIDDEN, 404: RefusalCode.NOT_FOUND}


def body_rules(policy: Policy, route: Route, once: Once) -> Step | None:
    """Make the step that reads the bodies of a route; None for a route whose bodies stream.

    Routes with equal rules share it, and what was compiled for it.
    """
    if not policy.reads_bodies(route):
        return None
    reading = reading_of(policy, route)
    mismatch = _MISMATCHES[policy.tenant_mismatch]
    asks = bool(reading.bound or reading.bound_fields or reading.storage)
    kind = CallerBodyRules if asks else BodyRules
    return once((kind, reading, mismatch), lambda: kind(reading, Judge(reading), mismatch))


def reading_of(policy: Policy, route: Route) -> Reading:
    """Collect what a route demands of its bodies."""
    body = policy.body_of(route)
    items, storage, json = body.items, route.storage_keys, body.json_body
    bounds = Bounds() if json is None else Bounds(json.depth, json.string or 0)
    return Reading(
        unpacking=Unpacking(body.max, body.ratio),
        bounds=bounds if policy.reads_json(route) else None,
        form=_form(body.form or FormBody()) if policy.reads_forms(route) else None,
        items=None if items is None else Items(_parts(items.at), items.max),
        schema=body.json_schema or "",
        forbidden=route.forbid.json_members,
        forbidden_fields=route.forbid.form,
        bound=_bound(route.bind.json_members, route.bind),
        bound_fields=_bound(route.bind.form, route.bind),
        storage=None
        if storage is None
        else StorageKeys(storage.json_members, storage.form, storage.prefix),
        is_required=body.required,
    )


def _parts(pointer: str | None) -> tuple[str, ...]:
    return parts_of(pointer) if pointer else ()


def _bound(places: Mapping[str, str], bind: Bind) -> tuple[Bound, ...]:
    return tuple(Bound(at, names, at in bind.optional) for at, names in places.items())


def _form(section: FormBody) -> FormBounds:
    return FormBounds(
        fields=section.fields,
        name=section.name,
        value=section.value,
        files=section.files or 0,
        file=section.file,
        file_types=section.file_types,
        file_names=section.file_names,
    )
