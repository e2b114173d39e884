"""`sidecar inject`: files in, files out, and what is said beside them."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from sidecar.cli.exit_codes import DONE, NO, USAGE
from sidecar.cli.main import invoke
from tests.knowledge.kube.inputs import FOLDER, injected

PLAIN: Final = (FOLDER / "01-deployment.yaml").read_text(encoding="utf-8")
BROKEN: Final = (FOLDER / "09-two-containers.yaml").read_text(encoding="utf-8").replace(
    "        sidecar/app: orders\n", ""
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = Path("orders.yaml")
    file.write_text(PLAIN, encoding="utf-8")
    return file


def test_it_prints_what_the_pure_function_makes(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["inject", "-f", str(file)]) == DONE
    assert capfd.readouterr().out == injected(PLAIN).text
    assert file.read_text(encoding="utf-8") == PLAIN


def test_it_reads_standard_input() -> None:
    words = [sys.executable, "-m", "sidecar", "inject", "-f", "-"]
    done = subprocess.run(words, input=PLAIN.encode(), capture_output=True, check=True, timeout=30)  # noqa: S603 -- our own
    assert done.stdout.decode() == injected(PLAIN).text


def test_in_place_once_and_checked(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(["inject", "--check", "-f", "orders.yaml"]) == NO
    assert capfd.readouterr().out.startswith("orders.yaml: is not injected, or not by this version")
    file.chmod(0o600)
    assert invoke(["inject", "--in-place", "-f", "orders.yaml"]) == DONE
    assert file.read_text(encoding="utf-8") == injected(PLAIN).text
    assert file.stat().st_mode & 0o777 == 0o600
    assert invoke(["inject", "--check", "-f", "orders.yaml"]) == DONE
    assert capfd.readouterr().out == ""
    assert [one.name for one in Path().iterdir()] == ["orders.yaml"]


def test_files_are_one_input_and_one_output(file: Path) -> None:
    pod, service = PLAIN.split("---\n")
    Path("a.yaml").write_text(service.rstrip(), encoding="utf-8")
    file.write_text(pod, encoding="utf-8")
    assert invoke(["inject", "-f", "a.yaml", "-f", "orders.yaml", "-o", "out.yaml"]) == DONE
    first, second = Path("out.yaml").read_text(encoding="utf-8").split("---\n")
    assert "targetPort: sidecar" in first
    assert "- name: sidecar\n" in second


def test_what_cannot_be_injected_is_said_with_file_document_and_mend(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("broken.yaml").write_text(f"a: 1\n---\n{BROKEN}", encoding="utf-8")
    assert invoke(["inject", "--in-place", "-f", "broken.yaml", "-f", "orders.yaml"]) == NO
    said = (
        "broken.yaml: document 2: error: Deployment orders: spec.template.spec.containers: which"
        ' one is behind the sidecar: orders, exporter? (mend: say sidecar/app: "orders")'
    )
    assert capfd.readouterr().err.splitlines() == [said]
    assert file.read_text(encoding="utf-8") == PLAIN


def test_the_options_say_which_sidecar(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.write_text(PLAIN.replace("        sidecar/policy: orders-sidecar\n", ""))
    assert invoke(["inject", "-f", "orders.yaml"]) == NO
    assert "there is no policy" in capfd.readouterr().err
    words = ["--policy", "shared", "--image", "registry.example/sidecar:2", "--cpu", "50m"]
    words += ["--memory", "96Mi", "--memory-limit", "1Gi", "--pull-policy", "Always"]
    assert invoke(["inject", "-f", "orders.yaml", "--redis-secret", "redis", *words]) == DONE
    out = capfd.readouterr().out
    for said in (
        "configMap: {name: shared}",
        "image: registry.example/sidecar:2",
        "requests: {cpu: 50m, memory: 96Mi}",
        "limits: {memory: 1Gi}",
        "imagePullPolicy: Always",
        "secretKeyRef: {name: redis, key: url}",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-f", "nowhere.yaml"], USAGE, "File 'nowhere.yaml' does not exist"),
        (["-f", "orders.yaml", "--in-place", "--check"], USAGE, "exclude each other"),
        (["-f", "-", "--in-place"], USAGE, "standard input has no place"),
        (["-f", "orders.yaml", "--cpu", "much"], USAGE, "'much' is no quantity"),
        (["-f", "orders.yaml", "--policy", "A b"], USAGE, "'A b' is no name"),
        (["-f", "latin.yaml"], NO, "latin.yaml: is not in UTF-8"),
        (["-f", "odd.yaml"], NO, "odd.yaml: the document: is no YAML: "),
        (["-f", "shared.yaml"], NO, "shared by an anchor"),
        (["-f", "large.yaml"], USAGE, "large.yaml: it has more than 16 MiB"),
        (["-f", "/dev/zero"], USAGE, "/dev/zero: it is a device, not a file"),
    ],
)
def test_a_mistake_is_one_readable_line(
    words: list[str], code: int, said: str, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("latin.yaml").write_bytes("a: \u00fc".encode("latin-1"))
    Path("odd.yaml").write_text("a: [", encoding="utf-8")
    Path("large.yaml").write_bytes(b"#" * ((16 << 20) + 1))
    again = "          env: &e [{name: A, value: a}]\n        - {name: b, image: 'b:1', env: *e}\n"
    pod = PLAIN.split("---\n")[0].replace(
        "sidecar/listen", "sidecar/app: orders\n        sidecar/listen"
    )
    file.with_name("shared.yaml").write_text(pod + again, encoding="utf-8")
    assert invoke(["inject", *words]) == code
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
