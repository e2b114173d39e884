"""Docker Compose: it takes the file, which is hardened as it says; secrets fit the store."""

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from sidecar import __version__
from sidecar.cli.exit_codes import DONE
from sidecar.cli.main import invoke
from tests.e2e.conftest import running
from tests.e2e.wire import Echo, a_client, a_service, get
from tests.examples.apps import EXAMPLES
from tests.examples.deployments import Tree, judge_policy, read
from tests.stores.servers import valkey

FOLDER: Final = EXAMPLES / "compose"
COMPOSE: Final = read("compose/compose.yaml")[0]
OPENED: Final = read("compose/compose.grafana.yaml")[0]
SERVICES: Final[Mapping[str, Tree]] = COMPOSE["services"]
SCHEMA: Final = jsonschema_rs.validator_for(
    (files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text("utf-8")
)
KEY: Final = re.compile(r"^sk_\w+$", re.MULTILINE)
EACH: Final = pytest.mark.parametrize("name", SERVICES)


@pytest.mark.parametrize("document", [COMPOSE, OPENED], ids=["compose", "grafana"])
def test_compose_takes_it(document: Tree) -> None:
    SCHEMA.validate(document)


def test_what_compose_does_not_take_is_found() -> None:
    service = {**SERVICES["app"], "capdrop": ["ALL"]}
    assert not SCHEMA.is_valid({**COMPOSE, "services": {"app": service}})


@EACH
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert not {"cap_add", "privileged", "network_mode", "pid", "ipc", "devices"} & set(service)


def test_what_keeps_nothing_has_the_user_of_the_sidecar() -> None:
    users = {name: one["user"] for name, one in SERVICES.items()}
    # Volumes belong to the users of their images.
    kept = {name for name, one in SERVICES.items() if "volumes" in one}
    assert kept == {"valkey", "prometheus"}
    assert {users[name] for name in users if name not in kept} == {"65532:65532"}


@EACH
def test_every_image_is_named_by_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+(-alpine)?", SERVICES[name]["image"])
    assert SERVICES["sidecar"]["image"] == f"tenant-sidecar:{__version__}"


def test_only_the_sidecar_publishes_a_port_and_only_it_leads_out() -> None:
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["sidecar"]
    assert SERVICES["sidecar"]["ports"] == ["127.0.0.1:8080:8080"]
    assert [name for name, one in SERVICES.items() if "edge" in one["networks"]] == ["sidecar"]
    assert COMPOSE["networks"] == {"edge": {}, "inside": {"internal": True}}
    assert all("inside" in one["networks"] for one in SERVICES.values())


def test_grafana_is_opened_for_this_machine_alone() -> None:
    (name,) = OPENED["services"]
    (port,) = OPENED["services"][name]["ports"]
    assert (name, port.rpartition(":")[0]) == ("grafana", "127.0.0.1:3001")


def test_the_sidecar_says_itself_whether_it_is_ready() -> None:
    program, *words = SERVICES["sidecar"]["healthcheck"]["test"]
    assert (program, words) == ("CMD", ["sidecar", "health"])


def test_every_file_is_there_and_every_name_is_used() -> None:
    for one in COMPOSE["configs"].values():
        assert (FOLDER / one["file"]).is_file(), one
    for section in ("configs", "secrets"):
        used = [one for service in SERVICES.values() for one in service.get(section, ())]
        names = [one if isinstance(one, str) else one["source"] for one in used]
        assert sorted(names) == sorted(COMPOSE[section])
    volumes = [one for service in SERVICES.values() for one in service.get("volumes", ())]
    assert [one.partition(":")[0] for one in volumes] == list(COMPOSE["volumes"])


def test_no_secret_is_a_variable() -> None:
    found = [key for one in SERVICES.values() for key in one.get("environment", ())]
    assert [key for key in found if "PASSWORD" in key] == ["GF_SECURITY_ADMIN_PASSWORD__FILE"]


def test_its_policy_leads_to_its_services() -> None:
    policy = judge_policy((FOLDER / "policy.yaml").read_text("utf-8"))
    port = SERVICES["app"]["environment"]["WHOAMI_PORT_NUMBER"]
    assert policy["upstream"] == f"http://app:{port}"
    assert policy["state"]["store"] == "redis://valkey:6379/0"
    files_of_it = (policy["state"]["password"], policy["secrets"]["pepper"])
    mounted = {f"file:/run/secrets/{name}" for name in SERVICES["sidecar"]["secrets"]}
    assert set(files_of_it) == mounted


def test_prometheus_scrapes_the_sidecar_and_grafana_asks_prometheus() -> None:
    (configuration,) = read("compose/prometheus.yaml")
    (scraped,) = configuration["scrape_configs"]
    policy = judge_policy((FOLDER / "policy.yaml").read_text("utf-8"))
    port = policy["listen"]["health"].rpartition(":")[2]
    assert scraped == {
        "job_name": "sidecar", "static_configs": [{"targets": [f"sidecar:{port}"]}],
    }  # fmt: skip
    targets = {one["source"]: one["target"] for one in SERVICES["prometheus"]["configs"]}
    folder, _, name = targets["prometheus"].rpartition("/")
    assert f"--config.file={folder}/{name}" in SERVICES["prometheus"]["command"]
    assert [f"{folder}/{one}" for one in configuration["rule_files"]] == [targets["rules"]]
    (source,) = read("compose/grafana-sources.yaml")[0]["datasources"]
    assert (source["url"], source["isDefault"]) == ("http://prometheus:9090", True)


def test_grafana_finds_the_dashboard_that_is_shipped() -> None:
    (provider,) = read("compose/grafana-dashboards.yaml")[0]["providers"]
    targets = {one["source"]: one["target"] for one in SERVICES["grafana"]["configs"]}
    assert targets["dashboard"].startswith(provider["options"]["path"] + "/")
    dashboard: Any = json.loads((FOLDER / COMPOSE["configs"]["dashboard"]["file"]).read_bytes())
    (variable,) = [one for one in dashboard["templating"]["list"] if one["type"] == "datasource"]
    assert variable["query"] == read("compose/grafana-sources.yaml")[0]["datasources"][0]["type"]


def make_secrets(folder: Path) -> int:
    shutil.copy(FOLDER / "secrets.sh", folder)
    done = subprocess.run(
        ["./secrets.sh"], cwd=folder, check=False, capture_output=True, timeout=20
    )
    return done.returncode


def test_secrets_are_made_once(tmp_path: Path) -> None:
    assert make_secrets(tmp_path) == 0
    made = {one.name: one for one in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert made["pepper"].parent.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in made.values()} == {0o444}
    pepper, password = made["pepper"].read_text(), made["valkey-password"].read_text()
    assert len(bytes.fromhex(pepper)) == len(bytes.fromhex(password)) == 32
    assert pepper != password
    assert hashlib.sha256(password.encode()).hexdigest() in made["valkey-users"].read_text()
    assert make_secrets(tmp_path) == 1
    assert made["pepper"].read_text() == pepper


async def test_the_sidecar_may_do_in_valkey_what_it_needs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert make_secrets(tmp_path) == 0
    program, *words = SERVICES["valkey"]["command"]
    assert program == "valkey-server"
    secrets = f"{tmp_path}/secrets"
    options = [word.replace("/run/secrets", secrets) for word in words]
    with valkey(*options) as store:
        async with a_service(Echo.new()) as app:
            text = (FOLDER / "policy.yaml").read_text("utf-8").replace("/run/secrets", secrets)
            text = text.replace("redis://valkey:6379/0", store.url)
            text = text.replace("http://app:3000", app.url)
            text = text.replace("health: 0.0.0.0:9902", "proxy: 127.0.0.1:0\n  admin: 127.0.0.1:0")
            async with running(text, tmp_path) as sidecar:
                words = ["keys", "create", "--tenant", "acme", "--role", "viewer"]
                place = ["--policy", str(tmp_path / "policy.yaml")]
                assert await asyncio.to_thread(invoke, [*words, *place]) == DONE
                key = KEY.search(capfd.readouterr().out)
                assert key is not None
                async with a_client(sidecar.port) as client:
                    refused = await client.ask(get(b"/orders"))
                    admitted = await client.ask(get(b"/orders", b"X-API-Key: " + key[0].encode()))
                assert (refused.status, admitted.status) == (401, 200)
