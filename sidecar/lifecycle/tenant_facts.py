"""What an operator says of a tenant, and what is shown of one: documents to records and back."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from sidecar.lifecycle.errors import BadValueError
from sidecar.model.identity import ProjectRecord, TenantId, TenantRecord
from sidecar.policy.schema.addresses import UpstreamUrl, Url
from sidecar.policy.schema.names import TenantName, Word
from sidecar.policy.schema.origins import Origin

MOST_ITEMS: Final = 1000
ATTRIBUTE_CHARACTERS: Final = 1024

# RFC 1123 §2.1, in lower case, as Origin and e-mail domains are compared.
_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z)(?![0-9.]+\Z){_LABEL}(?:\.{_LABEL})*\Z")
_DOMAIN_HINT: Final = "a host name in lower case, such as acme.example; IDNs in their xn-- form"
_PROJECT_KEYS: Final = frozenset({"domains", "system"})

T = TypeVar("T")

Reader = Callable[[object, str], object]
_TENANT: Final[TypeAdapter[str]] = TypeAdapter(TenantName)
_WORD: Final[TypeAdapter[str]] = TypeAdapter(Word)
_URL: Final[TypeAdapter[UpstreamUrl]] = TypeAdapter(Url)
_ORIGIN: Final[TypeAdapter[str]] = TypeAdapter(Origin)


def tenant_id(value: object) -> TenantId:
    """Read a tenant's id.

    Raises:
        BadValueError: it is none.
    """
    return TenantId(_validated(_TENANT, value, "the tenant's id"))


def word(value: object, path: str) -> str:
    """Read a word: a tier, a login method, the name of a secret.

    Raises:
        BadValueError: it is none.
    """
    return _validated(_WORD, value, path)


def changed(record: TenantRecord, changes: Mapping[str, object]) -> TenantRecord:
    """Lay what an operator says of a tenant over its record.

    Args:
        record: the tenant.
        changes: by field, its new value as JSON has it; null empties it.

    Raises:
        BadValueError: a field is unknown, or a value does not fit.
    """
    values: dict[str, object] = {}
    for name, value in changes.items():
        reader = _READERS.get(name)
        if reader is None:
            known = ", ".join(sorted(_READERS))
            raise BadValueError("a tenant has no such field", f"one of {known}")
        values[name] = _EMPTY[name] if value is None else reader(value, name)
    # The readers return what the fields hold; their table is checked by the tests of each field.
    after = replace(record, **values)  # type: ignore[arg-type]  # fields by name
    if after.upstream_credential is not None and after.upstream is None:
        raise BadValueError(
            "upstream_credential is for the tenant's own upstream, and the tenant has none",
            "set upstream as well, or take the credential away",
        )
    return after


def document_of(record: TenantRecord, source: str) -> dict[str, object]:
    """Show a tenant as JSON has it; nothing in it is secret.

    Args:
        record: the tenant.
        source: where it is kept: `policy` or `store`.
    """
    return {
        "id": record.id,
        "status": record.status.value,
        "tier": record.tier,
        "origins": list(record.origins),
        "domains": list(record.domains),
        "projects": {
            name: {"domains": list(project.domains), "system": project.is_system}
            for name, project in record.projects.items()
        },
        "logins": list(record.logins),
        "upstream": record.upstream,
        "upstream_credential": record.upstream_credential,
        "attributes": dict(record.attributes),
        "version": record.version,
        "source": source,
    }


def _validated(adapter: TypeAdapter[T], value: object, path: str) -> T:
    """Judge a value by the grammar of the policy language, and speak in its words."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        context = error.errors(include_url=False)[0].get("ctx", {})
        message = context.get("message", "is no text")
        hint = context.get("hint") or f"text such as {context.get('example')}"
        raise BadValueError(f"{path} {message}", str(hint)) from None


def _domain(value: object, path: str) -> str:
    if not isinstance(value, str) or not _DOMAIN.match(value):
        raise BadValueError(f"{path} is no domain", _DOMAIN_HINT)
    return value


def _origin(value: object, path: str) -> str:
    """Read a web origin (RFC 6454 §6.2), as browsers write it: without the scheme's own port."""
    return _validated(_ORIGIN, value, path)


def _upstream(value: object, path: str) -> str:
    return str(_validated(_URL, value, path))


def _several(
    reader: Callable[[object, str], str],
) -> Callable[[object, str], tuple[str, ...]]:
    def read(value: object, path: str) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or len(value) > MOST_ITEMS:
            raise BadValueError(f"{path} is no list", f"a list of at most {MOST_ITEMS} items")
        # What is said twice is meant once.
        return tuple(dict.fromkeys(reader(item, f"{path}[{i}]") for i, item in enumerate(value)))

    return read


def _mapping(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, Mapping) or len(value) > MOST_ITEMS:
        raise BadValueError(f"{path} is no mapping", f"a mapping of at most {MOST_ITEMS} entries")
    return {str(name): entry for name, entry in value.items()}


def _projects(value: object, path: str) -> dict[str, ProjectRecord]:
    found = {}
    for name, said in _mapping(value, path).items():
        project = _validated(_TENANT, name, f"a name in {path}")
        found[project] = _project({} if said is None else said, f"{path}.{project}")
    return found


def _project(value: object, path: str) -> ProjectRecord:
    said = _mapping(value, path)
    if said.keys() - _PROJECT_KEYS:
        raise BadValueError(f"{path} has an unknown key", "domains and system")
    is_system = said.get("system", False)
    if not isinstance(is_system, bool):
        raise BadValueError(f"{path}.system is neither true nor false", "true or false")
    domains = _DOMAINS(said.get("domains", []), f"{path}.domains")
    return ProjectRecord(domains, is_system=is_system)


def _attributes(value: object, path: str) -> dict[str, str]:
    found = {}
    for name, text in _mapping(value, path).items():
        key = _validated(_WORD, name, f"a name in {path}")
        if not isinstance(text, str) or len(text) > ATTRIBUTE_CHARACTERS or not text.isprintable():
            raise BadValueError(
                f"{path}.{key} is no line of text", f"at most {ATTRIBUTE_CHARACTERS} characters"
            )
        found[key] = text
    return found


_DOMAINS: Final = _several(_domain)
_READERS: Final[Mapping[str, Reader]] = {
    "tier": word,
    "origins": _several(_origin),
    "domains": _DOMAINS,
    "projects": _projects,
    "logins": _several(word),
    "upstream": _upstream,
    "upstream_credential": word,
    "attributes": _attributes,
}
FIELDS: Final = tuple(_READERS)
"""What may be said of a tenant."""
_EMPTY: Final[Mapping[str, object]] = {
    "tier": None,
    "origins": (),
    "domains": (),
    "projects": {},
    "logins": (),
    "upstream": None,
    "upstream_credential": None,
    "attributes": {},
}
