"""`sidecar explain --request`: what a running sidecar decided, and why."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Final

import click

from sidecar.adapters.reading import reading
from sidecar.cli.operator import running
from sidecar.cli.printing import plain
from sidecar.fronts.proxy.rehearsal.report import value_of_fact
from sidecar.lifecycle.explain_operations import EXPLAIN, is_request_id
from sidecar.policy.load import load_text

Document = Mapping[str, object]

_STATUS_WORDS: Final = ("outcome", "status", "code")


def tell(
    request: str, admin: str | None, token_file: str | None, policy: str | None, *, is_json: bool
) -> str:
    """Print the explanation of a request.

    Args:
        request: its id.
        admin: URL of the admin listener.
        token_file: file with a token.
        policy: file of the policy, for lines; None for none.
        is_json: whether a program reads it.

    Returns:
        How the request ended, in the word of the audit record.
    """
    if admin is None:
        raise click.UsageError("--request needs --admin URL --token-file FILE of a running sidecar")
    if not is_request_id(request):
        # Neither an empty one nor one of bytes that are no text has a URL.
        raise click.UsageError("--request is no id of a request: the value of X-Request-Id")
    found = running(admin, token_file).call("GET", EXPLAIN, {"id": request})
    found = {**found, "where": None if policy is None else _line(policy, found)}
    if is_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(found)))
    return str(found.get("outcome"))


def _line(name: str, found: Document) -> str | None:
    """Find the line of a key in a policy, if it is the policy that decided."""
    path = found.get("key_path")
    if not isinstance(path, list) or not all(isinstance(step, str | int) for step in path):
        return None
    text = load_text(name, reading(name), os.environ)
    if text.loaded.sha256 != found.get("policy"):
        click.echo(f"{name} is not the policy that decided: no line is named", err=True)
        return None
    written = text.written(tuple(path))
    if written is None or written.place is None:
        return None
    return f"{written.place.file}:{written.place.line}"


def _lines(found: Document) -> Iterator[str]:
    words = [str(found[name]) for name in _STATUS_WORDS if found.get(name)]
    request = f"{found.get('method') or '-'} {found.get('path') or '-'}"
    yield f"{plain(found.get('at'))} {plain(request)} {plain(found.get('request_id'))}"
    yield ""
    yield f"  policy       {plain(found.get('policy') or 'one that is not loaded any more')}"
    yield f"  passed       {_listed(found.get('passed'))}"
    key = " ".join(str(found[name]) for name in ("where", "key") if found.get(name))
    if found.get("step"):
        yield f"  {_verb(found):<12} {plain(found['step'])}{f'  ({plain(key)})' if key else ''}"
    yield f"  not reached  {_listed(found.get('not_reached'))}"
    facts = found.get("facts")
    if isinstance(facts, dict):
        yield from (f"  {name:<13} {plain(value_of_fact(fact))}" for name, fact in facts.items())
    for name in ("would_refuse", "charges"):
        if entries := found.get(name):
            yield f"  {name:<13} {plain(value_of_fact(entries))}"
    yield ""
    yield " ".join(words)
    if found.get("reason"):
        yield f"reason: {plain(found['reason'])}"
    if found.get("others"):
        yield f"others with this request id: {_listed(found['others'])}"


def _verb(found: Document) -> str:
    return "answered" if found.get("outcome") == "answered" else "refused by"


def _listed(names: object) -> str:
    listed = ", ".join(dict.fromkeys(map(str, names))) if isinstance(names, list) else ""
    return plain(listed or "nothing")
