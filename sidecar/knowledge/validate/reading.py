"""What a route demands of its bodies, and the judgement of one that was received whole.

Pure, and all that it needs can be pickled: a large body is judged in another process.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sidecar.knowledge.http1.query import Parameter
from sidecar.knowledge.validate.form import Field, FormBounds, TooMuchError, multipart, urlencoded
from sidecar.knowledge.validate.json_text import Bounds, UnfitError, read_json
from sidecar.knowledge.validate.places import Place, folded, names_in
from sidecar.knowledge.validate.schema import Schema
from sidecar.knowledge.validate.storage import TENANT, objection_to
from sidecar.knowledge.validate.unpack import BombError, Unpacking, unpacked
from sidecar.model.body import About, Fault, Finding, Form
from sidecar.model.refusals import RefusalCode

_FORBIDDEN: Final = RefusalCode.FORBIDDEN
_UNPROCESSABLE: Final = RefusalCode.UNPROCESSABLE
OF_TENANT: Final = "tenant"


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a batch may have.

    Attributes:
        at: members that lead to the list; none for a document that is the list.
        most: items.
    """

    at: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A field that names a tenant or a project.

    Attributes:
        at: JSON Pointer, or the name of a form's field.
        names: `tenant` or `project`.
        is_optional: whether it may be left out.
    """

    at: str
    names: str
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class StorageKeys:
    """Fields that hold keys of object storage.

    Attributes:
        json: JSON Pointers to them.
        form: names of form fields.
        prefix: what each must begin with.
    """

    json: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    prefix: str = f"tenants/{TENANT}/"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a route demands of its bodies.

    Attributes:
        unpacking: how much may come of a compressed body.
        bounds: how large parts of JSON may be; None for a route that takes no JSON.
        form: how large forms may be; None for a route that takes none.
        items: how many items a batch may have; None for any number.
        schema: a JSON Schema, as text; empty for none.
        forbidden: names of members that may stand nowhere, or JSON Pointers.
        forbidden_fields: names of form fields that may not be there.
        bound: members that name a tenant or a project.
        bound_fields: the same of forms.
        storage: fields that hold keys of object storage; None for none.
        is_required: whether the schema wants a body to be there.
    """

    unpacking: Unpacking
    bounds: Bounds | None = None
    form: FormBounds | None = None
    items: Items | None = None
    schema: str = ""
    forbidden: tuple[str, ...] = ()
    forbidden_fields: tuple[str, ...] = ()
    bound: tuple[Bound, ...] = ()
    bound_fields: tuple[Bound, ...] = ()
    storage: StorageKeys | None = None
    is_required: bool = True

    @property
    def wants_content(self) -> bool:
        """Whether a body must be there for its rules to be kept."""
        return (bool(self.schema) and self.is_required) or any(
            not bound.is_optional for bound in (*self.bound, *self.bound_fields)
        )

    def reads(self, form: Form) -> bool:
        """Whether it says how content of a form is read."""
        return (self.bounds if form is Form.JSON else self.form) is not None


def too_many(items: Items) -> Finding:
    """Say that a batch has too many items (RQ-2)."""
    return Finding(RefusalCode.PAYLOAD_TOO_LARGE, f"the batch has more than {items.most} items")


class Judge:
    """A reading, compiled."""

    def __init__(self, reading: Reading) -> None:
        """Compile.

        Raises:
            SchemaError: the schema cannot be used; loading a policy has found that before.
        """
        self._reading = reading
        self._schema = Schema(reading.schema) if reading.schema else None
        pointers = [name for name in reading.forbidden if name.startswith("/")]
        self._names = frozenset(map(folded, set(reading.forbidden) - set(pointers)))
        self._forbidden = [Place.of(pointer) for pointer in pointers]
        self._bound = [(bound, Place.of(bound.at)) for bound in reading.bound]
        storage = reading.storage or StorageKeys()
        self._keys = [Place.of(pointer) for pointer in storage.json]
        self._key_fields, self._prefix = storage.form, storage.prefix

    def judge(self, content: bytes, about: About) -> Finding | None:
        """Judge a body; None if every rule lets it pass.

        Args:
            content: the body as received.
            about: what is known of it.

        Controls: RQ-1, RQ-2, RQ-3, TN-2, TN-5, TN-7.
        """
        reading = self._reading
        try:
            plain = unpacked(content, about.coding, reading.unpacking)
            if about.form is not Form.JSON and reading.form is not None:
                return next(self._of_fields(_fields(plain, about, reading.form), about), None)
            if about.form is Form.JSON and reading.bounds is not None:
                return next(self._of_document(read_json(plain, reading.bounds), about), None)
        except UnfitError as error:
            return Finding(RefusalCode.BAD_REQUEST, str(error))
        except (BombError, TooMuchError) as error:
            return Finding(RefusalCode.PAYLOAD_TOO_LARGE, str(error))
        return Finding(RefusalCode.UNSUPPORTED_MEDIA_TYPE, "no rule reads bodies of this type")

    def _of_document(self, document: object, about: About) -> Iterator[Finding]:
        yield from self._of_names(document)
        for bound, place in self._bound:
            found = place.find(document)
            yield from _of_bound(bound, found.values, about)
            if found.is_missing and not bound.is_optional:
                yield _missing(str(place), bound)
        for place in self._keys:
            yield from self._of_keys(place.find(document).values, about)
        if self._reading.items is not None:
            yield from _of_items(self._reading.items, document)
        if self._schema is not None and (faults := self._schema.faults(document)):
            yield Finding(_UNPROCESSABLE, "the body breaks the schema of the route", faults)

    def _of_names(self, document: object) -> Iterator[Finding]:
        for place in self._forbidden:
            if place.find(document).values:
                yield Finding(_FORBIDDEN, f"the body has the member {place}")
        if self._names and not self._names.isdisjoint(names_in(document)):
            [name, *_] = sorted(self._names.intersection(names_in(document)))
            yield Finding(_FORBIDDEN, f"the body has a member {name}")

    def _of_fields(self, fields: list[Field], about: About) -> Iterator[Finding]:
        reading = self._reading
        for name in reading.forbidden_fields:
            if _values_of(fields, name):
                yield Finding(_FORBIDDEN, f"the form has the field {name}")
        for bound in reading.bound_fields:
            values = _values_of(fields, bound.at)
            yield from _of_bound(bound, values, about)
            if not values and not bound.is_optional:
                yield _missing(f"/{bound.at}", bound)
        for name in self._key_fields:
            yield from self._of_keys(_values_of(fields, name), about)

    def _of_keys(self, keys: Iterable[object], about: About) -> Iterator[Finding]:
        for key in keys:
            prefix = self._prefix.replace(TENANT, about.tenant)
            reason = objection_to(key, prefix) if about.tenant else "the caller has no tenant"
            if reason is not None:
                yield Finding(_FORBIDDEN, reason)


def _fields(content: bytes, about: About, bounds: FormBounds) -> list[Field]:
    if about.form is Form.URLENCODED:
        return urlencoded(content, bounds)
    return multipart(content, about.boundary, bounds)


def _values_of(fields: Iterable[Field], name: str) -> list[object]:
    """Collect the values of a field, under every spelling that a service could take for it."""
    parameter = Parameter.of(name)
    return [one.value for one in fields if parameter.is_spelt(one.name)]


def _of_bound(bound: Bound, values: Iterable[object], about: About) -> Iterator[Finding]:
    own = about.tenant if bound.names == OF_TENANT else about.project
    for value in values:
        is_own = isinstance(value, str) and bool(value)
        if bound.names == OF_TENANT or own:
            is_own = is_own and value == own
        else:
            is_own = is_own and value in about.projects
        if not is_own:
            kind = bound.names
            yield Finding(
                _FORBIDDEN, f"the body names a {kind} that is not the caller's", is_mismatch=True
            )


def _missing(pointer: str, bound: Bound) -> Finding:
    fault = Fault(pointer, "must be there")
    return Finding(_UNPROCESSABLE, f"the body names no {bound.names} where it must", (fault,))


def _of_items(items: Items, document: object) -> Iterator[Finding]:
    place = Place(items.at)
    found = place.find(document)
    lists = [value for value in found.values if isinstance(value, list)]
    if found.is_missing or len(lists) != len(found.values):
        yield Finding(
            _UNPROCESSABLE, "the body has no batch where it must",
            (Fault(str(place), "must be a list of items"),),
        )  # fmt: skip
    if any(len(one) > items.most for one in lists):
        yield too_many(items)
