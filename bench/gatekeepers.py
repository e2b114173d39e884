"""The contenders that know who asks: the sidecar by tokens and by keys, peers by tokens."""

from typing import Final

from bench.callers import AUDIENCE, ISSUER, Method
from bench.contenders import SIDECAR, Contender

_IDENTITY: Final = "role of the route; four identity headers; the credential stays here"
_SIDECAR: Final = "all that the sidecar does above; "
_CLAIMS: Final = "claims: {{tenant: tenant_id, roles: roles}}"
_ISSUER: Final = f"issuer: {ISSUER}, audiences: [{AUDIENCE}], {_CLAIMS}"
_KEYS: Final = "api_keys: {{}}"
_SHARED: Final = f"jwt: [{{{{{_ISSUER}, algorithms: [HS256], secret: 'file:{{callers}}/secret'}}}}]"
_PUBLIC: Final = (
    f"jwt: [{{{{{_ISSUER}, algorithms: [RS256], jwks: 'file:{{callers}}/public.jwks.json'}}}}]"
)
# Each its own file, but for the one whose keys were put there before.
_STATES: Final = {
    Method.SHARED: "sqlite:state.db",
    Method.PUBLIC: "sqlite:state.db",
    Method.KEY: "sqlite:{callers}/state.db",
    Method.MIXED: "{redis}",
}
_CHECKS: Final = "issuer, audience, expiry"


def _sidecar(
    name: str, title: str, method: Method, authentication: str, enforces: str
) -> Contender:
    return Contender(
        name=name,
        title=title,
        enforces=f"{_SIDECAR}{enforces}; {_IDENTITY}",
        command=("{python}", "-P", "-m", "sidecar", "run", "sidecar-callers.yaml"),
        configs=("sidecar-callers.yaml",),
        version=SIDECAR.version,
        method=method,
        settings={"authentication": authentication, "state": _STATES[method]},
    )


def _haproxy(name: str, title: str, method: Method, key: str) -> Contender:
    return Contender(
        name=name,
        title=title,
        enforces=(
            f"`jwt_verify` ({method}) for every request, {_CHECKS}; {_IDENTITY}; as HAProxy above"
        ),
        program="haproxy",
        command=("{program}", "-db", "-f", "{folder}/haproxy-callers.cfg"),
        configs=("haproxy-callers.cfg",),
        version=("-v",),
        method=method,
        settings={"algorithm": str(method), "key": key},
    )


def _envoy(name: str, title: str, method: Method, key: str) -> Contender:
    return Contender(
        name=name,
        title=title,
        enforces=(
            f"`jwt_authn` ({method}) with its cache, {_CHECKS}; `rbac`; {_IDENTITY}; as Envoy above"
        ),
        program="envoy",
        command=(
            *("{program}", "-c", "{folder}/envoy-callers.yaml", "--concurrency", "1"),
            *("--disable-hot-restart", "--log-level", "error"),
        ),
        configs=("envoy-callers.yaml",),
        version=("--version",),
        method=method,
        settings={"key": key},
    )


_JWT: Final = f"JWT ({{}}), remembered once verified, {_CHECKS}, revocation"
SIDECAR_JWT: Final = _sidecar(
    "sidecar-jwt", "Sidecar, HS256", Method.SHARED, _SHARED, _JWT.format("HS256")
)
SIDECAR_KEYS: Final = _sidecar(
    *("sidecar-keys", "Sidecar, API keys", Method.KEY, _KEYS),
    "API key by HMAC-SHA256 under a pepper, store in SQLite, state and expiry of the key",
)
GATEKEEPERS: Final = (
    SIDECAR_JWT,
    _haproxy("haproxy-jwt", "HAProxy, HS256", Method.SHARED, "{secret}"),
    _envoy("envoy-jwt", "Envoy, HS256", Method.SHARED, "{callers}/shared.jwks.json"),
    _sidecar("sidecar-jwt-rsa", "Sidecar, RS256", Method.PUBLIC, _PUBLIC, _JWT.format("RS256")),
    _haproxy("haproxy-jwt-rsa", "HAProxy, RS256", Method.PUBLIC, "{callers}/public.pem"),
    _envoy("envoy-jwt-rsa", "Envoy, RS256", Method.PUBLIC, "{callers}/public.jwks.json"),
    SIDECAR_KEYS,
    _sidecar(
        *("sidecar-redis", "Sidecar, keys, JWT and Redis", Method.MIXED, f"{_SHARED}, {_KEYS}"),
        "JWT (HS256) and API key, store in Redis",
    ),
)
