"""The releases that are judged: both ways of use, plain and with everything on."""

import shutil
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chart.helm import CHART, EXAMPLE, Helm, Tree

POLICY: Final = """\
version: 1
listen: {health: "0.0.0.0:9902"}
upstream: http://orders:3000
audit: {sinks: [stdout]}
routes:
  - path: /**
    public: true
"""
SHARED: Final = """\
version: 1
listen:
  proxy: 0.0.0.0:8443
  health: 0.0.0.0:9000
  drain: 20s
upstream: {url: "http://orders:3000"}
state:
  store: ${SIDECAR_REDIS_URL}
  password: env:SIDECAR_REDIS_PASSWORD
secrets: {pepper: "env:PEPPER", master_key: "file:/secrets/master"}
authentication:
  api_keys: {}
tenants:
  acme: {}
limits:
  address: {limit: 60/60s}
audit: {sinks: [stdout, {file: /var/log/sidecar/audit.jsonl}]}
routes:
  - path: /**
    role: viewer
  - path: /orders
    methods: [POST]
    role: viewer
    body: {schema: order.json}
"""
PLAIN: Final[Tree] = {"policy": POLICY, "networkPolicy": {"upstreamPods": {"app": "orders"}}}
FULL: Final[Tree] = {
    "policy": SHARED,
    "policyFiles": {"order.json": '{"type": "object"}'},
    "image": {"digest": f"sha256:{'5f' * 32}", "pullSecrets": ["registry"]},
    "fullnameOverride": "edge",
    "autoscaling": {"enabled": True},
    "secretFiles": [{"secret": "sidecar-keys", "path": "/secrets"}],
    "secretEnv": [{"name": "PEPPER", "secret": "sidecar-pepper", "key": "pepper"}],
    "env": {"REGION": "eu"},
    "redis": {"secret": "redis"},
    "service": {"port": 8443, "annotations": {"example.org/zone": "edge"}},
    "networkPolicy": {
        "upstreamPods": {"app": "orders"},
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "gracePeriodSeconds": 40,
    "serviceAccountName": "edge",
    "podAnnotations": {"example.org/team": "edge"},
    "podLabels": {"team": "edge"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
CLAIMED: Final[Tree] = {**PLAIN, "storage": {"claim": "sidecar-state"}, "preStopSeconds": 0}
SHIPPED: Final[Tree] = {
    **PLAIN,
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
}
OPEN: Final[Tree] = {"policy": POLICY, "networkPolicy": {"enabled": False}}
GATEWAYS: Final = {
    "gateway": PLAIN,
    "gateway-full": FULL,
    "gateway-claim": CLAIMED,
    "gateway-shipped": SHIPPED,
    "gateway-open": OPEN,
}
NATIVE: Final = "native-sidecar"
INJECTOR: Final = "injector"
INJECTING: Final[Tree] = {
    "mode": "injector",
    "injector": {
        "tlsSecret": "injector-tls",
        "caFrom": "shop/injector",
        "policy": "sidecar-policy",
        "redisSecret": "redis",
    },
}
PLAIN_CHARTS: Final = {**GATEWAYS, INJECTOR: INJECTING}
WITH_POLICY: Final = (*GATEWAYS, NATIVE)
RELEASES: Final = (*WITH_POLICY, INJECTOR)
GOLDEN: Final = ("gateway", "gateway-full", NATIVE, INJECTOR)


def a_team_chart(folder: Path) -> Path:
    """Make the example's chart whole, as `helm dependency build` does."""
    chart = folder / "orders"
    shutil.copytree(EXAMPLE, chart)
    shutil.copytree(CHART, chart / "charts/sidecar")
    return chart


def text_of(name: str, helm: Helm, folder: Path) -> str:
    """Render one of the releases."""
    if name in PLAIN_CHARTS:
        return helm.text(PLAIN_CHARTS[name])
    return helm.text({}, a_team_chart(folder))


def manifests_of(name: str, helm: Helm, folder: Path) -> list[dict[str, Any]]:
    """Render one of the releases to its manifests."""
    return [one for one in yaml.safe_load_all(text_of(name, helm, folder)) if one]
