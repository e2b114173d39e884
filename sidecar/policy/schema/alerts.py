"""Keys of `audit` about people: pseudonyms, and alerts on what privileged ones read (AU-5)."""

import re
from typing import Annotated, Final

from sidecar.model.secret import Secret
from sidecar.policy.schema.files import ExistingFile, SecretText
from sidecar.policy.schema.jwt import HttpUrl
from sidecar.policy.schema.names import Role
from sidecar.policy.schema.quantities import Flag, PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import AfterValidator, Field
from sidecar.policy.written import misfit

LEAST_KEY_BYTES: Final = 32
# Standard Webhooks 1.0: base64 of 24 to 64 bytes.
_STANDARD: Final = re.compile(rb"whsec_[A-Za-z0-9+/]{32,86}={0,2}\Z")


def _long_key(secret: Secret) -> Secret:
    if len(secret.reveal()) < LEAST_KEY_BYTES:
        raise misfit(
            "is too short for a key",
            f"{LEAST_KEY_BYTES} bytes or more, such as a file made by openssl rand -hex 32",
            is_quoted=False,
        )
    return secret


def _webhook_secret(secret: Secret) -> Secret:
    if not _STANDARD.match(secret.reveal()):
        raise misfit(
            "is no secret of Standard Webhooks",
            "whsec_ and base64: echo whsec_$(openssl rand -base64 32)",
            is_quoted=False,
        )
    return secret


class Pseudonyms(Section):
    """Pseudonyms in the place of what names a person.

    Attributes:
        key: secret that pseudonyms are made with; another key makes others.
        addresses: whether client addresses are disguised.
        emails: whether subjects that look like e-mail addresses are.
    """

    key: Annotated[
        SecretText, AfterValidator(_long_key), Field(examples=["file:/secrets/pseudonyms"])
    ]
    addresses: Flag = True
    emails: Flag = True


class AlertWebhook(Section):
    """Where alerts are sent, as they are recorded, by Standard Webhooks.

    Attributes:
        url: what takes them.
        secret: what signs them: `whsec_` and base64.
        ca: file with the authorities to trust for `url`; the system's if left out.
        timeout: how long one attempt may take.
    """

    url: Annotated[HttpUrl, Field(examples=["https://alerts.example.com/sidecar"])]
    secret: Annotated[
        SecretText, AfterValidator(_webhook_secret), Field(examples=["file:/secrets/alerts"])
    ]
    ca: ExistingFile | None = None
    timeout: PositiveDuration = 5.0


class Alerts(Section):
    """Alerts on privileged access: records of their own beside those of what was done.

    Attributes:
        roles: roles of staff: what a caller with one of them does with the data of a tenant raises
            an alert.
        webhook: where alerts are sent too; only recorded if left out.
    """

    roles: Annotated[tuple[Role, ...], Field(examples=["[staff]"])] = ("staff",)
    webhook: AlertWebhook | None = None
