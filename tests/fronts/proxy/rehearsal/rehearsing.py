"""Policies and callers for rehearsals."""

import asyncio
import json
from collections.abc import Mapping

from sidecar.adapters.ids import UuidV7
from sidecar.fronts.proxy.rehearsal.asked import Asked
from sidecar.fronts.proxy.rehearsal.explaining import Explainer, Explanation
from sidecar.fronts.proxy.rehearsal.known import Careful, assumed
from sidecar.fronts.proxy.rehearsal.play import Played
from sidecar.model.identity import Method, Principal
from sidecar.policy.load import load_text
from sidecar.policy.text import Text
from tests.knowledge.auth.minting import b64, signature_of

NOW = 1_800_000_000.0
HEAD = """
version: 1
upstream: http://127.0.0.1:3000
listen: {trusted_proxies: [10.0.0.0/8]}
secrets: {pepper: "file:pepper"}
authentication: {api_keys: {}}
"""
TOKENS_HEAD = HEAD.replace("authentication: {api_keys: {}}\n", "")
"""The same where the policy says itself how callers prove who they are."""
SECRET = b"0123456789abcdef0123456789abcdef"
"""What an issuer of tokens shares."""
PEPPER = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


def a_text(written: str, files: Mapping[str, bytes] | None = None, head: str = HEAD) -> Text:
    """Load a policy from its text, laid behind what all of them have."""
    contents = {"policy.yaml": (head + written).encode(), "pepper": PEPPER, **(files or {})}

    def read(name: str) -> bytes:
        try:
            return contents[name]
        except KeyError:
            raise FileNotFoundError(2, "no such file", name) from None

    return load_text("policy.yaml", read, {})


def an_explainer(text: Text, answers: Careful | None = None) -> Explainer:
    """Explain by a policy, with no store."""
    new_id = UuidV7(lambda: NOW, lambda size: (bytes(range(256)) * (size // 256 + 1))[:size])
    careful = answers or Careful()
    return Explainer(
        text, lambda policy: assumed(policy, lambda: NOW), careful, new_id, careful.notes
    )


def played(text: Text, asked: Asked, answers: Careful | None = None) -> Played:
    """Play a request."""
    explainer = an_explainer(text, answers)
    return asyncio.run(explainer.stage(text.loaded.policy).play(asked))


def explained(text: Text, asked: Asked, answers: Careful | None = None) -> Explanation:
    """Play a request and explain it."""

    async def explain() -> Explanation:
        explainer = an_explainer(text, answers)
        stage = explainer.stage(text.loaded.policy)
        return await explainer.explain(await stage.play(asked))

    return asyncio.run(explain())


def a_caller(tenant: str = "acme", *roles: str, **facts: object) -> Principal:
    """Make a caller with a secret key."""
    principal = Principal(
        Method.API_KEY, "ada", "k1", memberships={tenant: roles}, login="api_key", kind="secret"
    )
    principal.accepts_unknown_tenant = True
    for name, value in facts.items():
        setattr(principal, name, value)
    return principal


def asking(
    target: str = "/",
    method: str = "GET",
    fields: Mapping[str, str] | None = None,
    **facts: object,
) -> Asked:
    """Make a request."""
    asked = Asked(method, target, tuple((fields or {}).items()), at=NOW)
    for name, value in facts.items():
        object.__setattr__(asked, name, value)
    return asked


def a_token(issuer: str = "https://idp", **claims: object) -> str:
    """Sign a token of an admin of acme with the shared secret, for an hour."""
    head = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    facts = {"iss": issuer, "aud": "a", "sub": "ada", "exp": NOW + 3600, "iat": NOW, **claims}
    signed = head + b"." + b64(json.dumps({"org": "acme", "roles": ["admin"], **facts}).encode())
    return (signed + b"." + b64(signature_of("HS256", SECRET, signed))).decode()
