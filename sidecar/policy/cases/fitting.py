"""What a file of tests says that its policy contradicts: such a test passes for another reason."""

import posixpath
from collections.abc import Iterator
from pathlib import PurePath

from sidecar.model.errors import Problem
from sidecar.model.identity import Method
from sidecar.policy.cases.callers import Caller
from sidecar.policy.cases.load import Read
from sidecar.policy.nodes import Path, as_written, entry_at, key_path
from sidecar.policy.schema.policy import Policy

_Finding = tuple[Path, str, str]


def misfits_of(read: Read, policy: Policy) -> list[Problem]:
    """List what cannot be meant of this policy, in the order of the text.

    Args:
        read: the file of tests.
        policy: the policy that is tested.
    """
    found = [_problem(read, *finding) for finding in _findings(read, policy)]
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def _findings(read: Read, policy: Policy) -> Iterator[_Finding]:
    for name in read.cases.files:
        own = PurePath(read.policy).parent / name
        if posixpath.normpath(own) == posixpath.normpath(read.policy):
            message = "stands in for the policy itself: another one would be tested"
            yield ("files", name), message, "policy: FILE names what is tested"
    for name in read.cases.tenants:
        if name in policy.tenants:
            # What the policy says of a tenant comes before the store, here as in the proxy.
            yield ("tenants", name), "stands in the policy, which comes first", "another tenant"
    for at, case in enumerate(read.cases.tests):
        yield from _of_caller(policy, case.caller, ("tests", at, "as"))
    for at, matrix in enumerate(read.cases.matrix):
        for name, caller in matrix.callers.items():
            yield from _of_caller(policy, caller, ("matrix", at, "callers", name))


def _of_caller(policy: Policy, caller: Caller, path: Path) -> Iterator[_Finding]:
    section = policy.authentication
    if caller.principal(policy) is None or not section.methods:
        return
    method, keys = caller.method_under(policy), section.api_keys
    if method not in section.methods:
        hint = f"one of {', '.join(section.methods)}, or a section of it in authentication"
        yield (*path, "method"), f"the policy has no {method}", hint
        return
    if method is not Method.API_KEY or keys is None:
        # An issuer may name roles of its own, and a condition may ask for them.
        return
    kinds = [one.kind for one in keys.formats]
    if caller.kind is not None and caller.kind not in kinds:
        yield (*path, "kind"), "is no kind of key here", f"one of {', '.join(kinds)}"
    hint = f"roles of the policy: {', '.join(policy.roles)}"
    for where, role in _roles_of(caller, path):
        if role not in policy.roles:
            yield where, f"no key has the role {role}", hint


def _roles_of(caller: Caller, path: Path) -> Iterator[tuple[Path, str]]:
    yield from (((*path, "roles", at), role) for at, role in enumerate(caller.roles))
    for name, roles in caller.memberships.items():
        yield from (((*path, "memberships", name, at), role) for at, role in enumerate(roles))


def _problem(read: Read, path: Path, message: str, hint: str) -> Problem:
    path = as_written(read.root, path)
    place = entry_at(read.root, path).node.place
    return Problem(place.file, place.line, place.column, key_path(path), message, hint)
