"""What could be changed about a request or its route: candidates by step."""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from sidecar.fronts.proxy.rehearsal.case import Case, Mend, Mends, appended, dotted, without
from sidecar.knowledge.http1.query import Parameter, UndecodableError, pairs
from sidecar.knowledge.origins import is_plausible
from sidecar.model.refusals import RefusalCode
from sidecar.model.template import literal
from sidecar.policy.nodes import Path
from sidecar.policy.schema.quantities import write_size
from sidecar.policy.schema.routes import Route
from sidecar.policy.text import Edit

# RFC 3986 §3.3: what a segment may hold unescaped, but for what is refused in paths.
_UNESCAPED: Final = "!$&'()*+,=:@"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def of_framing(case: Case) -> Mends:
    """List what mends a refusal of `framing`."""
    limits = case.policy.listen.limits
    size = len(case.asked.message()) + 1
    if case.refusal.code is RefusalCode.URI_TOO_LONG:
        path: Path = ("listen", "limits", "start_line")
        yield Mend(
            f"shorten the request line to {limits.start_line} bytes, or raise {dotted(path)}",
            edit=Edit(path, lambda _: f"{size}B"),
        )
    elif case.refusal.code is RefusalCode.HEADERS_TOO_LARGE:
        many = len(case.asked.fields) + 2 > limits.fields
        path = ("listen", "limits", "fields" if many else "head")
        most = len(case.asked.fields) + 3 if many else f"{size}B"
        yield Mend(
            f"send fewer or shorter fields, or raise {dotted(path)}",
            edit=Edit(path, lambda _: most),
        )
    else:
        yield Mend(f"mend the request: {case.refusal.reason}")


def of_path(case: Case) -> Mends:
    """List what mends a refusal of `path`."""
    reason = case.refusal.reason
    if reason == "encoded slash in the path" and case.route is not None:
        yield Mend(
            "allow_encoded_slash: true on the route",
            edit=Edit(("routes", case.index, "allow_encoded_slash"), lambda _: True),
        )
        return
    path, mark, query = case.asked.target.partition("?")
    plain = None if reason == "reserved path" else _with_one_reading(path)
    if plain is None or plain == path:
        yield Mend(f"send a path with one reading: {reason}")
        return
    yield Mend(
        f"send a path with one reading, such as {plain}",
        asked=replace(case.asked, target=plain + mark + query),
    )


def _with_one_reading(path: str) -> str | None:
    """Write the path that most readers take a path for; None where there is none.

    Source: RFC 3986 §5.2.4, after one decoding.
    """
    try:
        decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        return None
    if _CONTROL.search(decoded):
        return None
    kept: list[str] = []
    for part in decoded.replace("\\", "/").split("/"):
        segment = part.partition(";")[0]
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(quote(segment, safe=_UNESCAPED))
    end = "/" if kept and decoded.endswith("/") else ""
    return f"/{'/'.join(kept)}{end}"


def of_route(case: Case) -> Mends:
    """List what mends a refusal of `route`."""
    if case.refusal.code is RefusalCode.METHOD_NOT_ALLOWED:
        yield from _of_methods(case)
        return
    own, mark, query = case.asked.target.partition("?")
    for route in case.policy.routes:
        if route.path.lower() == own.lower() and route.path != own:
            yield Mend(
                f"the path is {route.path}: case matters",
                replace(case.asked, target=route.path + mark + query),
            )
    path = literal(case.played.exchange.segments)
    if path is None:
        # Such a path written into a policy would be a template: a client who asks for /** would
        # have everything opened.
        yield Mend("no route matches, and none can be for this path alone")
        return
    added = {"path": path, "public": True}
    yield Mend(
        f"no route matches: add one for {path} and say who may use it (tried as a public one)",
        edit=Edit(("routes",), lambda old: [*old, added] if isinstance(old, list) else [added]),
    )


def _of_methods(case: Case) -> Mends:
    """List the routes of a path that could have a method as well."""
    method, alike = case.asked.method, _alike(case)
    listed = sorted({one for _, route in alike for one in route.admitted_methods or ()})
    # What is for some is not to be opened to everybody by the way.
    guarded = [at for at, route in alike if not route.public]
    for at in guarded or [at for at, _ in alike]:
        whose = "its methods" if len(alike) == 1 else f"those of routes[{at}]"
        yield Mend(
            f"methods of this route: {', '.join(listed)}; add {method} to {whose}",
            edit=Edit(("routes", at, "methods"), appended(method)),
        )


def _alike(case: Case) -> list[tuple[int, Route]]:
    """List the routes that share the template of a request's route, and have other methods."""
    if case.route is None:
        return []
    shape = case.route.template.shape
    routes = enumerate(case.policy.routes)
    return [(at, one) for at, one in routes if one.template.shape == shape]


def of_origins(case: Case) -> Mends:
    """List what mends a refusal of `preflight` and `origin`."""
    reason = case.refusal.reason
    if "no single method" in reason:
        yield Mend(f"mend the {reason}")
    elif "method" in reason:
        for asked in case.values("access-control-request-method"):
            yield Mend(
                f"add {asked} to the methods of the route",
                edit=Edit(("routes", case.index, "methods"), appended(asked)),
            )
            yield Mend(
                f"add {asked} to cors.methods",
                edit=Edit(case.section("cors", "methods"), appended(asked)),
            )
    elif "fields" in reason:
        yield _fields(case)
    elif (origin := _origin(case)) is None:
        yield Mend("send one Origin that a list can have, such as https://app.example")
    else:
        path = case.section("cors", "origins")
        yield Mend(f"add {origin} to cors.origins", edit=Edit(path, appended(origin)))


def _fields(case: Case) -> Mend:
    listed = ",".join(case.values("access-control-request-headers"))
    fields = [one.strip() for one in listed.split(",") if one.strip()]
    if any("*" in field for field in fields):
        # In a list it stands for every field.
        return Mend(f"ask for fields by their names: {case.refusal.reason}")
    return Mend(
        f"list {', '.join(fields)} in cors.request_headers",
        edit=Edit(
            case.section("cors", "request_headers"),
            lambda old: [*(old if isinstance(old, list) else ()), *fields],
        ),
    )


def _origin(case: Case) -> str | None:
    """Return the origin of a request, if it is one that a list may name.

    What holds `*` would be all of them there.
    """
    found = case.values("origin")
    return found[0] if len(found) == 1 and is_plausible(found[0].encode()) else None


def of_forbidden(case: Case) -> Mends:
    """List what mends a refusal of `forbidden`."""
    path, _, query = case.asked.target.partition("?")
    names = [] if case.route is None else [Parameter.of(one) for one in case.route.forbid.query]
    try:
        sent = pairs(query.encode())
    except UndecodableError:
        yield Mend("send a query with one reading")
        return
    raw = query.split("&")
    if len(raw) != len(sent):
        return
    kept = [
        one
        for one, (name, _) in zip(raw, sent, strict=True)
        if not any(parameter.is_spelt(name) for parameter in names)
    ]
    target = f"{path}?{'&'.join(kept)}" if kept else path
    yield Mend("leave the parameter out of the query", asked=replace(case.asked, target=target))


def of_declared_body(case: Case) -> Mends:
    """List what mends a refusal of `declared_body`."""
    size = len(case.asked.body)
    if case.refusal.code is RefusalCode.PAYLOAD_TOO_LARGE:
        most = case.policy.body.max if case.route is None else case.policy.body_of(case.route).max
        yield Mend(
            f"body of {write_size(size)} above body.max {write_size(most)}: send less, or raise it",
            edit=Edit(case.ruling(), lambda _: write_size(size)),
        )
        return
    body = case.policy.body if case.route is None else case.policy.body_of(case.route)
    for accepted in body.content_types or ():
        if not accepted.endswith("/*"):
            yield Mend(
                f"send Content-Type: {accepted} and such a body",
                asked=case.asked.with_field("Content-Type", accepted),
            )
            return
    yield Mend("send another content type")


def of_addresses(case: Case) -> Mends:
    """List what mends a refusal of `addresses`."""
    client = case.played.exchange.client
    path: Path = ("routes", case.index, "addresses")
    rule = None if case.route is None else case.route.addresses
    if rule is not None and rule.allow:
        yield Mend(
            f"add {client} to addresses.allow", edit=Edit((*path, "allow"), appended(client))
        )
    for network in () if rule is None else rule.deny:
        yield Mend(
            f"take {network} out of addresses.deny",
            edit=Edit((*path, "deny"), without(str(network))),
        )


def of_condition(case: Case) -> Mends:
    """List what mends a refusal of `condition`."""
    text = "" if case.route is None else f": {case.route.condition}"
    yield Mend(f"make the condition of the route true{text}")


def of_limits(case: Case) -> Mends:
    """List what mends a refusal of `limits`."""
    waits = [line for line in case.refusal.lines if line.startswith(b"Retry-After: ")]
    seconds = waits[0].partition(b": ")[2].decode() if waits else "some"
    yield Mend(f"wait {seconds} s, or raise the limit at {dotted(case.ruling())}")


def of_csrf(case: Case) -> Mends:
    """List what mends a refusal of `csrf`."""
    host = (case.values("host") or ["localhost"])[0]
    scheme = "https" if case.played.exchange.is_secure else "http"
    if (origin := _origin(case)) is not None:
        path = case.section("csrf", "origins")
        yield Mend(
            f"add {origin} to csrf.origins, if its pages may write here",
            edit=Edit(path, appended(origin)),
        )
    own = case.asked.without_field("Sec-Fetch-Site").with_field("Origin", f"{scheme}://{host}")
    yield Mend(f"send it from a page of the service: Origin: {scheme}://{host}", asked=own)


def of_webhook(case: Case) -> Mends:
    """List what mends a refusal of `webhook_signature`."""
    yield Mend(f"have the sender sign the delivery anew: {case.refusal.reason}")


def of_body_rules(case: Case) -> Mends:
    """List what mends a refusal of `body_rules`."""
    for fault in case.refusal.faults:
        yield Mend(f"mend the body at {fault.pointer or '/'}: {fault.detail}")
    path = case.ruling()
    items = case.policy.body_of(case.route).items if case.route is not None else None
    if path[-1:] == ("items",) and items is not None:
        yield Mend(f"send {items.max} items at most, or raise {dotted((*path, 'max'))}")
    elif not case.refusal.faults:
        yield Mend(f"mend the body: {case.refusal.reason}")


def of_mcp(case: Case) -> Mends:
    """List what mends a refusal of `mcp`."""
    exchange, route = case.played.exchange, case.route
    rpc, mcp = exchange.rpc, None if route is None else route.mcp
    roles = getattr(exchange, "roles", ()) or ("anonymous",)
    if mcp is None or rpc is None or case.refusal.code is not RefusalCode.TOOL_NOT_ALLOWED:
        yield Mend(f"mend the message: {case.refusal.reason}")
        return
    for call in rpc.calls:
        if "*" in call.tool:
            # In a list it stands for whatever follows.
            yield Mend("call a tool by its name: in a list, this one would be all of them")
            continue
        path: Path = ("routes", case.index, "mcp", "tools", roles[0])
        yield Mend(f"add {call.tool} to {dotted(path)}", edit=Edit(path, appended(call.tool)))
