"""Semgrep finds with our rules what they are for, and nothing in the code."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

HOUSE: Final = Path(__file__).parents[2]
WRONG: Final = {
    "exception-passed-over": "try:\n    go()\nexcept Exception:\n    pass\n",
    "yaml-that-makes-objects": "import yaml\n\nyaml.load(text, Loader=yaml.Loader)\n",
    "peer-not-verified": 'client.get("https://one.example", verify=False)\n',
    "secret-compared-byte-by-byte": "ok = caller.signature == expected\n",
    "words-run-as-code": "import pickle\n\npickle.loads(body)\n",
}
RIGHT: Final = """\
import hmac
import yaml

try:
    go()
except ValueError:
    pass
yaml.safe_load(text)
client.get("https://one.example", verify=True)
ok = hmac.compare_digest(caller.signature, expected)
empty = token == ""
"""


def judged(*paths: str | Path) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "ci.semgrep", *paths],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_the_code_has_none_of_it() -> None:
    assert judged() == (0, "")


@pytest.mark.timeout(240)
def test_each_rule_finds_what_it_is_for_and_nothing_else(tmp_path: Path) -> None:
    for name, text in WRONG.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "right.py").write_text(RIGHT)
    status, said = judged(tmp_path)
    assert status == 1
    assert [name for name in WRONG if f".{name}\n" not in said and f" {name}\n" not in said] == []
    assert "right.py" not in said
