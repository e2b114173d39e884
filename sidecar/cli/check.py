"""`sidecar check`: every problem of a policy, or the routes as they will be matched."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import click

from sidecar.adapters.reading import reading
from sidecar.cli.exit_codes import DONE, NO
from sidecar.cli.printing import print_json, problem_document
from sidecar.decision.pipeline import build
from sidecar.knowledge.rules import RULES
from sidecar.model.errors import PolicyError, Problem
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded
from sidecar.policy.schema.policy import Policy
from sidecar.policy.schema.quantities import write_duration
from sidecar.policy.schema.routes import Route


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be said of one policy file."""

    name: str
    loaded: Loaded | None
    problems: tuple[Problem, ...]

    def is_good(self, *, is_strict: bool) -> bool:
        return self.loaded is not None and not (is_strict and self.problems)


@click.command(epilog="Example: sidecar check policy.yaml && sidecar run policy.yaml")
@click.argument(
    "policies",
    metavar="POLICY...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True),
)
@click.option("--strict", is_flag=True, help="Let warnings fail the check too.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object instead of text.")
def command(policies: tuple[str, ...], *, strict: bool, is_json: bool) -> int:
    """Check policies: list every problem at once, or the routes as they will be matched.

    Exit status: 0 all are good, 1 one is not, 2 a file is missing.
    """
    verdicts = [_judge(name) for name in policies]
    good = [verdict.is_good(is_strict=strict) for verdict in verdicts]
    if is_json:
        print_json(_report(verdicts, good))
    else:
        for verdict, is_good in zip(verdicts, good, strict=True):
            _print(verdict, is_good=is_good)
    return DONE if all(good) else NO


def _judge(name: str) -> _Verdict:
    try:
        loaded = load(name, reading(name), os.environ, RULES)
        # Patterns and expressions of a policy are compiled here; a bad one is its author's too.
        build(loaded.policy)
    except PolicyError as error:
        return _Verdict(name, None, tuple(error.problems))
    return _Verdict(name, loaded, loaded.warnings)


def _print(verdict: _Verdict, *, is_good: bool) -> None:
    for problem in verdict.problems:
        click.echo(str(problem), err=True)
    if verdict.loaded is None or not is_good:
        return
    click.echo(f"{verdict.name}: ok")
    click.echo(f"audit trail: {_trail(verdict.loaded.policy)}")
    click.echo("routes, the most specific first:")
    rows = [_row(verdict.loaded.policy, route) for route in _ordered(verdict.loaded.policy)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo(f"  {'  '.join(cells)}  {row[3]}")


def _is_signed(policy: Policy) -> bool:
    return policy.audit.signing_key is not None


def _trail(policy: Policy) -> str:
    """Say in words what a changed audit trail would be known by (AU-6)."""
    if _is_signed(policy):
        return f"chained, and signed every {write_duration(policy.audit.checkpoint)}"
    return "chained, not signed (audit.signing_key signs it)"


def _ordered(policy: Policy) -> list[Route]:
    return sorted(policy.routes, key=lambda route: route.template.order)


def _row(policy: Policy, route: Route) -> tuple[str, str, str, str]:
    methods = ",".join(route.methods) if route.methods else "any method"
    return route.host or "any host", route.path, methods, _admitted(policy, route)


def _admitted(policy: Policy, route: Route) -> str:
    """Say in words whom a route admits."""
    words = ["public"] if route.public else [_needed(route)]
    if route.addresses is not None:
        words += [f"from {_listed(route.addresses.allow)}"] if route.addresses.allow else []
        words += [f"not from {_listed(route.addresses.deny)}"] if route.addresses.deny else []
    if policy.mode_of(route) == "shadow":
        words.append("(shadow)")
    return " ".join(words)


def _needed(route: Route) -> str:
    """Say in words what a caller needs."""
    demands = {
        "role": route.role,
        "permission": route.permission,
        "scopes": " ".join(route.scopes),
        "condition": route.condition and "(CEL)",
        "by": ", ".join(route.authenticate or ()),
        "key kind": " or ".join(route.key_kinds or ()),
        "login": " or ".join(route.logins or ()),
    }
    return ", ".join(f"{name} {value}" for name, value in demands.items() if value)


def _listed(networks: Iterable[object]) -> str:
    return ", ".join(str(network) for network in networks)


def _report(verdicts: list[_Verdict], good: list[bool]) -> dict[str, object]:
    policies = [
        {
            "file": verdict.name,
            "ok": is_good,
            "sha256": verdict.loaded.sha256 if verdict.loaded else None,
            "problems": [problem_document(problem) for problem in verdict.problems],
            "audit_signed": verdict.loaded is not None and _is_signed(verdict.loaded.policy),
            "routes": _routes(verdict.loaded),
        }
        for verdict, is_good in zip(verdicts, good, strict=True)
    ]
    return {"ok": all(good), "policies": policies}


def _routes(loaded: Loaded | None) -> list[dict[str, object]]:
    if loaded is None:
        return []
    return [
        {
            "host": route.host,
            "path": route.path,
            "methods": route.methods,
            "admits": _admitted(loaded.policy, route),
        }
        for route in _ordered(loaded.policy)
    ]
