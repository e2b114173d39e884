"""Rules about pages of other origins."""

from collections.abc import Iterator

from sidecar.policy.nodes import Path
from sidecar.policy.rules.findings import Findings, Judged
from sidecar.policy.schema.cors import Cors
from sidecar.policy.schema.headers import Headers
from sidecar.policy.schema.origins import EVERYONE, is_local

_OURS = "access-control-"


def everybody_with_credentials(judged: Judged) -> Findings:
    """`*` where pages send cookies: any page could use what its visitor may (Fetch §3.2.5)."""
    for path, cors in _in_force(judged):
        lists = {
            "origins": cors.origins,
            "request_headers": cors.request_headers or (),
            "expose_headers": cors.expose_headers,
        }
        wide = [key for key, listed in lists.items() if EVERYONE in listed]
        if wide and cors.credentials:
            yield judged.error(
                (*path, "credentials"),
                f"does not go with * in {' and '.join(wide)}",
                "credentials: false, or the names themselves in place of *",
            )


def everybody_kept_out(judged: Judged) -> Findings:
    """Other origins refused where there are no others."""
    for path, cors in _in_force(judged):
        if cors.enforce and EVERYONE in cors.origins:
            yield judged.error(
                (*path, "enforce"),
                "refuses nobody where origins has *",
                "enforce: false, or the origins themselves in place of *",
            )


def everybody_and_tenants_alone(judged: Judged) -> Findings:
    """Callers held to their tenants' origins where every page may read what they get."""
    for path, cors in _in_force(judged):
        is_asked = path == ("cors",) or not judged.policy.routes[int(path[1])].public
        if is_asked and cors.tenant_origins == "only" and EVERYONE in cors.origins:
            yield judged.error(
                (*path, "tenant_origins"),
                "only holds nobody back where origins has *",
                "the origins themselves in place of *, or tenant_origins: add",
            )


def named_beside_everybody(judged: Judged) -> Findings:
    """Origins beside `*` in one list, which says it all."""
    for path, origins in _lists(judged):
        if EVERYONE in origins and len(origins) > 1:
            yield judged.warning(path, "has * and others, and * alone counts", "one or the other")


def origins_in_the_clear(judged: Judged) -> Findings:
    """Pages without TLS: whoever is on the way to them can put a script of their own in."""
    listed = [((*path, at), one) for path, many in _lists(judged) for at, one in enumerate(many)]
    for path, origin in listed:
        if origin.startswith("http:") and not is_local(origin):
            yield judged.warning(
                path,
                "pages over http can be changed by anybody on their way",
                f"https:{origin[5:]}",
            )


def fields_of_cors(judged: Judged) -> Findings:
    """Header fields of `cors` that `headers` writes as well."""
    policy = judged.policy
    if policy.cors is not None:
        yield from _fields_of_cors(judged, ("headers",), policy.headers)
    for index, route in enumerate(policy.routes):
        if policy.cors_of(route) is not None and route.headers is not None:
            yield from _fields_of_cors(judged, ("routes", index, "headers"), route.headers)


def _fields_of_cors(judged: Judged, path: Path, headers: Headers) -> Findings:
    kinds = {"set": headers.set, "default": headers.default, "append": headers.append}
    named = [(kind, name) for kind, fields in kinds.items() for name in fields]
    for kind, name in named:
        if name.lower().startswith(_OURS):
            yield judged.error(
                (*path, kind, name), "is a field that cors writes", "say it in cors alone"
            )


def _in_force(judged: Judged) -> Iterator[tuple[Path, Cors]]:
    """List what holds, at the place that says so; what a route does not change is said once."""
    policy = judged.policy
    if policy.cors is not None:
        yield ("cors",), policy.cors
    for index, route in enumerate(policy.routes):
        if route.cors is not None and (cors := policy.cors_of(route)) is not None:
            yield ("routes", index, "cors"), cors


def _lists(judged: Judged) -> Iterator[tuple[Path, tuple[str, ...]]]:
    policy = judged.policy
    if policy.cors is not None:
        yield ("cors", "origins"), policy.cors.origins
    for index, route in enumerate(policy.routes):
        if route.cors is not None:
            yield ("routes", index, "cors", "origins"), route.cors.origins
    for name, tenant in policy.tenants.items():
        yield ("tenants", name, "origins"), tenant.origins
