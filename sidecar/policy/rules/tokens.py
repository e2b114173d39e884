"""Rules about tokens of others: where their keys come from, and what can verify what (AN-13)."""

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from sidecar.model.errors import Problem
from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.files import NamedFile
from sidecar.policy.schema.jwt import Issuer

_KINDS: Final = {"R": "RSA", "P": "RSA", "ES": "EC", "Ed": "OKP"}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


def issuers_named_twice(judged: Judged) -> Findings:
    """Two sets of rules for one issuer: only one of them could judge its tokens."""
    seen: dict[str, int] = {}
    for index, issuer in enumerate(judged.policy.authentication.jwt):
        if seen.setdefault(issuer.issuer, index) != index:
            yield judged.error(
                ("authentication", "jwt", index, "issuer"),
                f"is the issuer of authentication.jwt[{seen[issuer.issuer]}] too",
                "one entry for each issuer, with all of its audiences and algorithms",
            )


def keys_that_verify_nothing(judged: Judged) -> Findings:
    """Algorithms without the keys that they need, or beside keys that they must not have."""
    for index, issuer in enumerate(judged.policy.authentication.jwt):
        path: Path = ("authentication", "jwt", index)
        shared = [name for name in issuer.algorithms if name.startswith("HS")]
        if shared and len(shared) < len(issuer.algorithms):
            # RFC 8725 §2.1, §3.1: who may choose between the two takes the public key as a secret.
            yield judged.error(
                (*path, "algorithms"),
                "mixes a shared secret with public keys",
                "either HS256, HS384 and HS512 with secret, or the others with jwks",
            )
        elif shared:
            yield from _secret_problems(judged, path, issuer, max(shared))
        else:
            yield from _published_problems(judged, path, issuer)


def keys_in_the_clear(judged: Judged) -> Findings:
    """Calls over plain HTTP to other machines: whoever stands between them makes the keys."""
    section = judged.policy.authentication
    places: list[tuple[Path, object]] = [
        (("authentication", "jwt", index, "jwks"), issuer.jwks)
        for index, issuer in enumerate(section.jwt)
    ]
    if section.introspection is not None:
        places.append((("authentication", "introspection", "url"), section.introspection.url))
    for path, url in places:
        if isinstance(url, str) and url.startswith("http://") and not is_loopback_url(url):
            yield judged.error(
                path, "is asked in the clear, and anybody on the way can answer", "an https:// url"
            )


def token_secrets_in_the_open(judged: Judged) -> Findings:
    """Secrets of issuers that are written into the policy."""
    section = judged.policy.authentication
    paths: list[Path] = [
        ("authentication", "jwt", index, "secret")
        for index, issuer in enumerate(section.jwt)
        if issuer.secret is not None
    ]
    if section.introspection is not None:
        paths.append(("authentication", "introspection", "client_secret"))
    for path in paths:
        if not judged.source_of(path).startswith(("file:", "env:")):
            yield judged.warning(
                path,
                "a secret stands in the policy",
                "file:PATH or env:NAME keeps it out of version control and logs",
            )


def lives_shorter_than_the_leeway(judged: Judged) -> Findings:
    """A longest life that the leeway makes meaningless: tokens live on after their end."""
    for index, issuer in enumerate(judged.policy.authentication.jwt):
        if issuer.max_life <= issuer.leeway:
            yield judged.warning(
                ("authentication", "jwt", index, "max_life"),
                "is not longer than leeway, for which every token lives on after its end",
                "a longer max_life, or a leeway of a few seconds",
            )


def cookie_without_tokens(judged: Judged) -> Findings:
    """A cookie for tokens that nothing could verify."""
    section = judged.policy.authentication
    if section.cookie is not None and not section.jwt and section.introspection is None:
        yield judged.error(
            ("authentication", "cookie"),
            "may carry a token, and no issuer of tokens is named",
            "authentication.jwt or authentication.introspection, or no cookie",
        )


def tokens_for_anybody(judged: Judged) -> Findings:
    """Opaque tokens whose audience nobody asks: one for another service opens this one too."""
    section = judged.policy.authentication.introspection
    if section is not None and not section.audiences:
        # RFC 7662 §4: an active token was not necessarily meant for whoever asks about it.
        yield judged.warning(
            ("authentication", "introspection"),
            "takes tokens that were issued for other services",
            "audiences: the name of this service in aud, such as [orders]",
        )


def _secret_problems(
    judged: Judged, path: Path, issuer: Issuer, algorithm: str
) -> Iterator[Problem]:
    if issuer.jwks is not None:
        yield judged.error(
            (*path, "jwks"),
            f"publishes keys, and {algorithm} needs a secret that nobody else knows",
            "secret: file:PATH",
        )
    elif issuer.secret is None:
        yield judged.error(path, f"has no secret for {algorithm}", "secret: file:PATH")
    elif _is_public_key(issuer.secret.reveal()):
        yield judged.error(
            (*path, "secret"),
            "is a public key, with which everybody who has it could sign",
            "jwks and the algorithm of the key, or a random secret",
        )
    elif len(issuer.secret.reveal()) * 8 < int(algorithm[2:]):
        yield judged.error(
            (*path, "secret"),
            f"has fewer than the {int(algorithm[2:]) // 8} bytes that {algorithm} asks for",
            "one from openssl rand -base64 64 (RFC 7518, section 3.2)",
        )


def _published_problems(judged: Judged, path: Path, issuer: Issuer) -> Iterator[Problem]:
    if issuer.secret is not None:
        yield judged.error(
            (*path, "secret"),
            "is for HS256, HS384 and HS512, and the algorithms are others",
            "jwks for these algorithms",
        )
    elif issuer.jwks is None:
        yield judged.error(
            path, "has no keys", "jwks: https://idp.example/.well-known/jwks.json or file:PATH"
        )
    elif isinstance(issuer.jwks, NamedFile):
        kinds = {_KINDS.get(name[:2]) or _KINDS[name[0]] for name in issuer.algorithms}
        keys = _keys_of(issuer.jwks.content)
        if not any(key.get("kty") in kinds and key.get("use", "sig") == "sig" for key in keys):
            yield judged.error(
                (*path, "jwks"),
                "holds no key that could verify these algorithms",
                "a JSON Web Key Set (RFC 7517) with a key of the issuer",
            )
        elif any(not _PRIVATE.isdisjoint(key) for key in keys):
            yield judged.warning(
                (*path, "jwks"),
                "holds a private key, with which everybody who reads the file can sign",
                "the public members alone; a key that was shown is replaced",
            )


def _keys_of(document: bytes) -> list[dict[str, object]]:
    """List the keys of a document; the strict reading of them comes when they are loaded."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return []
    keys = found.get("keys") if isinstance(found, dict) else None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def _is_public_key(secret: bytes) -> bool:
    text = secret.strip()
    return text.startswith((b"-----BEGIN", b"ssh-", b"ecdsa-")) or (
        text.startswith(b"{") and b'"kty"' in text
    )


def is_loopback_url(url: str) -> bool:
    """Whether a URL leads nowhere but to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
