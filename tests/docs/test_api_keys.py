"""The page on API keys says what the code says."""

import ast
from pathlib import Path

from sidecar.knowledge.auth import api_key, key_format
from tests.docs.pages import HOUSE


def _reasons() -> set[str]:
    """Collect the reasons with which keys are refused."""
    tree = ast.parse(Path(api_key.__file__).read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [call.args[0] for call in calls if ast.unparse(call.func) == "unauthorized"]
    spelled = {reason.value for reason in given if isinstance(reason, ast.Constant)}
    return {str(reason) for reason in spelled} | {key_format.MALFORMED, key_format.MISTYPED}


def test_every_reason_of_a_refused_key_is_explained() -> None:
    page = (HOUSE / "docs" / "key-format.md").read_text("utf-8")
    reasons = _reasons()
    assert len(reasons) == 9
    assert [reason for reason in reasons if f"| `{reason}` |" not in page] == []
