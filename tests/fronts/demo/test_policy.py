"""The demo's ready policy."""

from importlib.resources import files
from pathlib import Path

from sidecar.fronts.demo.upstream import application
from sidecar.policy.load import load
from sidecar.policy.loaded import Loaded

NAME = str(files("sidecar.fronts.demo") / "demo.yaml")
VARIABLES = {
    "SIDECAR_DEMO_PORT": "8080",
    "SIDECAR_DEMO_ADMIN_PORT": "9901",
    "SIDECAR_DEMO_UPSTREAM_PORT": "3000",
    "SIDECAR_DEMO_AUDIT": "audit.jsonl",
    "SIDECAR_DEMO_PEPPER": "a pepper of thirty-two characters",
}


def loaded() -> Loaded:
    return load(NAME, lambda name: Path(name).read_bytes(), VARIABLES)


def test_the_policy_loads_without_a_warning() -> None:
    assert loaded().warnings == ()


def test_the_policy_listens_on_loopback_only() -> None:
    listen = loaded().policy.listen
    assert (listen.proxy.host, listen.admin.host) == ("127.0.0.1", "127.0.0.1")


def test_every_endpoint_of_the_service_has_a_route() -> None:
    routes = {route.path.split("/")[1] for route in loaded().policy.routes}
    endpoints = {resource.canonical.split("/")[1] for resource in application().router.resources()}
    assert endpoints <= routes
