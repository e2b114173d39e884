"""The key `webhook` of routes: deliveries that must be signed (RQ-8)."""

from typing import Annotated, Final, Literal, Self

from sidecar.policy.schema.files import SecretText
from sidecar.policy.schema.names import FieldName, Word
from sidecar.policy.schema.quantities import PositiveDuration
from sidecar.policy.schema.section import Section
from sidecar.policy.schema.words import Field, model_validator
from sidecar.policy.written import misfit

UNDATED_SECONDS: Final = 86_400.0
"""How long deliveries are remembered whose signature does not say when they were sent."""


class HmacScheme(Section):
    """A signature of the sender's own make.

    Attributes:
        header: field that holds it.
        algorithm: hash function of the HMAC.
        encoding: how the digest is written.
        prefix: what stands before the digest.
        timestamp: field with Unix seconds, which are signed before the body with a dot behind them;
            without it nobody can tell an old delivery from a new one.
    """

    header: Annotated[FieldName, Field(examples=["X-Signature"])]
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")] = ""
    timestamp: Annotated[FieldName | None, Field(examples=["X-Timestamp"])] = None


class Webhook(Section):
    """Deliveries of another service, which prove themselves by a signature of their body.

    Attributes:
        scheme: `standard` (Standard Webhooks), `github`, `stripe`, or `hmac`, as that key says.
        hmac: the sender's own signature, for `scheme: hmac`.
        secret: the secret; several while it is changed, one a line.
        tenant_secret: name of the secret of the tenant that the path names by `{tenant}`, in its
            part of the vault; likewise.
        tolerance: how far a delivery's own time may be from ours.
        replay: `refuse` admits each delivery once; `allow` as often as it comes.
        remember: how long deliveries are remembered for that; left out twice the tolerance, or
            24h where the signature does not say when it was made.
    """

    scheme: Literal["standard", "github", "stripe", "hmac"]
    hmac: HmacScheme | None = None
    secret: SecretText | None = None
    tenant_secret: Word | None = None
    tolerance: PositiveDuration = 300.0
    replay: Literal["refuse", "allow"] = "refuse"
    remember: PositiveDuration | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.secret is None) == (self.tenant_secret is None):
            raise misfit(
                "needs secret or tenant_secret, and one of them alone",
                "secret: file:/secrets/hook, or tenant_secret: hook",
                is_quoted=False,
            )
        if (self.scheme == "hmac") != (self.hmac is not None):
            raise misfit(
                "scheme: hmac and the key hmac belong together",
                "scheme: hmac with hmac: {header: X-Signature}",
                is_quoted=False,
            )
        return self

    @property
    def is_dated(self) -> bool:
        """Whether the signature covers when the delivery was sent."""
        if self.hmac is not None:
            return self.hmac.timestamp is not None
        return self.scheme != "github"

    @property
    def remembered_seconds(self) -> float:
        """How long a delivery is remembered."""
        if self.remember is not None:
            return self.remember
        return 2 * self.tolerance if self.is_dated else UNDATED_SECONDS
