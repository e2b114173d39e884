"""The schemes and secrets of webhooks as a policy states them."""

from typing import Final

from sidecar.knowledge.auth.webhook import GitHub, Hmac, Scheme, Standard, Stripe
from sidecar.model.secret import Secret
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.webhook import HmacScheme, Webhook

_SECRETS: Final = 4
"""Secrets that are tried: those of a change, no more."""
_SCHEMES: Final[dict[str, Scheme]] = {
    "standard": Standard(),
    "github": GitHub(),
    "stripe": Stripe(),
}


def scheme_of(section: Webhook) -> Scheme:
    """Choose how deliveries are signed."""
    return _SCHEMES[section.scheme] if section.hmac is None else _hmac(section.hmac)


def keys_of(scheme: Scheme, secret: Secret) -> list[bytes]:
    """Read the keys of a secret: several, one a line, while it is changed."""
    lines = [line.strip() for line in secret.reveal().splitlines()[:_SECRETS]]
    found = [scheme.key(line) for line in lines if line]
    return [key for key in found if key is not None]


def unusable_secrets(judged: Judged) -> Findings:
    """Secrets of the policy that are none of their scheme: nothing could be signed by them."""
    for index, route in enumerate(judged.policy.routes):
        section = route.webhook
        if section is None or section.secret is None:
            continue
        if not keys_of(scheme_of(section), section.secret):
            hint = "whsec_ and base64" if section.scheme == "standard" else "16 bytes or more"
            yield judged.error(
                ("routes", index, "webhook", "secret"),
                f"holds no secret of the scheme {section.scheme}",
                hint,
            )


def _hmac(section: HmacScheme) -> Hmac:
    return Hmac(
        section.header.lower().encode(),
        section.algorithm,
        section.encoding,
        section.prefix.encode(),
        (section.timestamp or "").lower().encode(),
    )
