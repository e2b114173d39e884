"""Every action and every refusal code is caused by a test; no action is written uncatalogued."""

import ast
import re
from typing import Final

from sidecar.model.events import EVENTS, RESERVED, SUGGESTED
from sidecar.model.refusals import RefusalCode
from tests.architecture.sources import Source, a_source, sources_under
from tests.e2e.audit_house import BY_LEDGERS, OF_OPERATORS, PRODUCED, REFUSED

ACTION: Final = re.compile(r"[a-z]+\.[a-z_]+\Z")


def actions_of(source: Source) -> set[str]:
    """List the actions that a module names: first argument of `Event`, `action=`, `key.verb`."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        first = node.args[0]
        if called in {"Event", "_switch", "_known"} and isinstance(first, ast.Constant):
            found.add(str(first.value))
        elif called == "Event" and isinstance(first, ast.JoinedStr):
            found |= {f"{_prefix(first)}{verb}" for verb in _verbs(source)}
    return found


def _prefix(text: ast.JoinedStr) -> str:
    first = text.values[0]
    assert isinstance(first, ast.Constant)
    return str(first.value)


def _verbs(source: Source) -> set[str]:
    """List the verbs that a module hands to its own `_event` or `_move`."""
    return {
        str(node.args[0].value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"_event", "self._move"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_refusal_code_is_caused_by_a_test() -> None:
    assert set(REFUSED) | OF_OPERATORS == set(RefusalCode)


def test_every_action_is_caused_by_a_test() -> None:
    assert set(PRODUCED) | BY_LEDGERS == set(EVENTS)


def test_every_action_that_the_code_writes_is_in_the_catalogue() -> None:
    written = {action for source in sources_under("sidecar") for action in actions_of(source)}
    assert len(written) > 15
    assert written - set(EVENTS) == set()


def test_an_action_that_is_not_in_the_catalogue_is_found() -> None:
    source = a_source("sidecar.a", 'Event(f"key.{verb}")\n_event("forge")\nEvent("key.lose", 1)')
    assert actions_of(source) == {"key.forge", "key.lose"}


def test_a_policy_can_use_every_name_that_is_suggested() -> None:
    assert [name for name in SUGGESTED if name.partition(".")[0] in RESERVED] == []
    assert [name for name in SUGGESTED if not ACTION.match(name)] == []


def test_a_policy_cannot_use_what_the_sidecar_says_of_itself() -> None:
    own = {name.partition(".")[0] for name in EVENTS if "." in name}
    assert own - RESERVED == {"auth", "key", "secret", "tenant"}
