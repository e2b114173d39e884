"""What may be asked about secrets: the rows of the table. None of them answers with one (SE-2)."""

from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Mapping
from typing import Final

from sidecar.lifecycle.errors import BadValueError
from sidecar.lifecycle.operations import Call, Operation
from sidecar.lifecycle.secrets import Secrets
from sidecar.model.secret import Secret
from sidecar.policy.schema.section import Section

Document = Mapping[str, object]

_SECRETS: Final = "/v1/secrets"
_SECRET: Final = "/v1/secrets/{name}"  # noqa: S105 -- a path
_OWNER: Final = frozenset({"tenant"})
_ONE: Final = "value for text, or base64 for bytes"


class SecretValue(Section):
    """A secret: `value` for text, or `base64` for bytes that are none.

    Attributes:
        value: the secret as text.
        base64: the secret in base64.
    """

    value: str | None = None
    base64: str | None = None


class SecretDesk:
    """Answers what is asked about secrets.

    Args:
        secrets: the secrets.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def operations(self) -> tuple[Operation, ...]:
        """List the rows; without `tenant` they are about the installation's own secrets."""
        return (
            Operation("GET", _SECRETS, self._list, query=_OWNER),
            Operation("POST", f"{_SECRETS}/reseal", self._reseal, query=_OWNER),
            Operation("PUT", _SECRET, self._set, query=_OWNER, has_body=True),
            Operation("DELETE", _SECRET, self._delete, query=_OWNER),
        )

    async def _list(self, call: Call) -> Document:
        return {"secrets": await self._secrets.list(call.query.get("tenant"))}

    async def _set(self, call: Call) -> Document:
        tenant, name = call.query.get("tenant"), call.ids["name"]
        value = _read_value(call.read(SecretValue))
        await self._secrets.set(call.actor, tenant, name, value)
        return {"tenant": tenant, "name": name}

    async def _delete(self, call: Call) -> Document:
        tenant, name = call.query.get("tenant"), call.ids["name"]
        await self._secrets.delete(call.actor, tenant, name)
        return {"tenant": tenant, "name": name}

    async def _reseal(self, call: Call) -> Document:
        tenant = call.query.get("tenant")
        return {"tenant": tenant, "resealed": await self._secrets.reseal(call.actor, tenant)}


def _read_value(said: SecretValue) -> Secret:
    if (said.value is None) == (said.base64 is None):
        raise BadValueError("the secret is not said, or said twice", _ONE)
    if said.value is not None:
        return Secret(said.value.encode(errors="surrogatepass"))
    try:
        return Secret(b64decode(said.base64 or "", validate=True))
    except (NotBase64Error, ValueError):
        # The cause would quote what may be the secret.
        raise BadValueError("base64 is no base64", _ONE) from None
