"""Keys and secrets in the formats of the sidecar are found by gitleaks before they are committed.

Each is made here, at random, so that the repository itself has none.
"""

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from sidecar.knowledge.auth.key_format import KeyPattern
from sidecar.policy.schema.api_keys import ApiKeys, KeyFormat

pytestmark = pytest.mark.control("RT-2")
HOUSE: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
PUBLISHABLE: Final = "publishable"


class Finding(msgspec.Struct, rename="pascal"):
    """What gitleaks says of a line."""

    file: str
    rule_id: str = msgspec.field(name="RuleID")
    secret: str


def scan(folder: Path) -> list[Finding]:
    report = folder / "report.json"
    options = ["--no-banner", f"--config={HOUSE / '.gitleaks.toml'}", f"--report-path={report}"]
    subprocess.run(  # noqa: S603 - a program of .venv, no shell
        [BIN / "gitleaks", "dir", *options, folder],
        timeout=50,
        check=False,
        capture_output=True,
    )
    return msgspec.json.decode(report.read_bytes(), type=list[Finding])


def formats() -> Iterator[KeyFormat]:
    """List the formats that hold without any, those of the profiles, and both with a checksum."""
    found = [*ApiKeys().formats]
    for profile in sorted((HOUSE / "config" / "profiles").glob("*.yaml")):
        if not profile.name.endswith(".test.yaml"):
            keys = yaml.safe_load(profile.read_text("utf-8")).get("authentication", {})
            found += [KeyFormat(**one) for one in (keys.get("api_keys") or {}).get("formats", ())]
    found += [KeyFormat(kind="secret", prefix="sk_live", encoding="base64url")]
    for one in found:
        yield one
        yield one.model_copy(update={"checksum": True})


def minted(section: KeyFormat) -> str:
    pattern = KeyPattern(section)
    return pattern.mint(secrets.token_bytes(pattern.random_bytes)).decode()


def key_file(section: KeyFormat) -> str:
    mark = "-checksum" if section.checksum else ""
    return f"{section.kind}-{section.prefix}-{section.encoding}{mark}.py"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Plant one of each, each in a file of its own, and collect the rules that found something."""
    folder = tmp_path_factory.mktemp("planted")
    for section in formats():
        (folder / key_file(section)).write_text(f'send(key="{minted(section)}")\n')
    for name, (_, make) in SECRETS.items():
        (folder / name).write_text(make())
    (folder / "policy.yaml").write_text(
        "secrets: {pepper: file:/secrets/pepper, master_key: env:MASTER}\n"
        f"# stored as sha256:{secrets.token_hex(32)}\nexample: sk_live_0123456789ABCDEFGHJKMNPQRS\n"
    )
    (folder / "lock.txt").write_text(f"one==1 \\\n    --hash=sha256:{secrets.token_hex(32)}\n")
    rules: dict[str, set[str]] = {path.name: set() for path in folder.iterdir()}
    for one in scan(folder):
        rules[Path(one.file).name].add(one.rule_id)
    return rules


@pytest.mark.parametrize("section", [*formats()], ids=key_file)
def test_a_key_of_every_secret_format_is_found(
    section: KeyFormat, found: dict[str, set[str]]
) -> None:
    hit = "sidecar-api-key" in found[key_file(section)]
    assert hit is (section.kind != PUBLISHABLE)


def in_yaml(name: str) -> Callable[[], str]:
    return lambda: f"secrets:\n  {name}: {secrets.token_hex(32)}\n"


def in_base64(size: int) -> str:
    """Write random bytes as `openssl rand -base64` does, 64 characters a line."""
    text = base64.b64encode(secrets.token_bytes(size)).decode()
    return "".join(f"{text[start : start + 64]}\n" for start in range(0, len(text), 64))


def pem() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def jwk() -> str:
    return json.dumps({"keys": [OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)]})


SECRETS: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "pepper-in-a-policy": ("sidecar-secret-in-a-line", in_yaml("pepper")),
    "master-key-in-a-policy": ("sidecar-secret-in-a-line", in_yaml("master_key")),
    "pseudonyms-in-a-policy": ("sidecar-secret-in-a-line", in_yaml("pseudonyms")),
    "admin-token-in-a-script": (
        "sidecar-secret-in-a-line",
        lambda: f"export SIDECAR_ADMIN_TOKEN='{secrets.token_hex(32)}'\n",
    ),
    "hex-of-openssl": ("sidecar-secret-file", lambda: f"{secrets.token_hex(32)}\n"),
    "base64-of-openssl": ("sidecar-secret-file", lambda: in_base64(32)),
    "long-base64-of-openssl": ("sidecar-secret-file", lambda: in_base64(64)),
    "signing-key": ("private-key", pem),
    "key-set": ("sidecar-private-jwk", jwk),
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_that_the_manual_has_you_make_is_found(
    name: str, found: dict[str, set[str]]
) -> None:
    assert SECRETS[name][0] in found[name]


@pytest.mark.parametrize("name", ["policy.yaml", "lock.txt"])
def test_digests_references_and_examples_are_no_secrets(
    name: str, found: dict[str, set[str]]
) -> None:
    assert found[name] == set()


def commit_hook(folder: Path, *hooks: str) -> subprocess.CompletedProcess[str]:
    """Run hooks of this repository before a commit of another."""
    return subprocess.run(  # noqa: S603 - a program of .venv, no shell
        [BIN / "prek", "run", *hooks],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_hook_before_a_commit_stops_a_staged_key(tmp_path: Path) -> None:
    for name in (".pre-commit-config.yaml", ".gitleaks.toml"):
        (tmp_path / name).write_bytes((HOUSE / name).read_bytes())
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (tmp_path / ".gitignore").write_text(".venv\n.cache\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=30)  # noqa: S607 - git
    (tmp_path / "notes.py").write_text('"""Notes."""\n')
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True, timeout=30)  # noqa: S607 - git
    assert commit_hook(tmp_path, "gitleaks", "ruff", "ruff-format").returncode == 0
    key = minted(KeyFormat(kind="secret", prefix="sk"))
    (tmp_path / "notes.py").write_text(f'"""Notes."""\n\nKEY = "{key}"\n')
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True, timeout=30)  # noqa: S607 - git
    stopped = commit_hook(tmp_path, "gitleaks")
    assert stopped.returncode == 1
    assert "sidecar-api-key" in stopped.stdout
    assert key not in stopped.stdout


def test_every_program_of_the_hooks_is_in_the_lock_and_nothing_is_fetched() -> None:
    configured = yaml.safe_load((HOUSE / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [one["repo"] for one in configured["repos"]] == ["local"]
    for hook in configured["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        assert (HOUSE / program).exists(), program
