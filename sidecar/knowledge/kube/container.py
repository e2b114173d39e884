"""The container of the sidecar and its volumes, as charts/sidecar/templates/_pod.tpl has them.

A test holds the two to each other.
"""

from typing import Final

from sidecar.knowledge.kube.wishes import Settings, Wishes

NAME: Final = "sidecar"
PROXY_PORT_NAME: Final = "sidecar"
HEALTH_PORT_NAME: Final = "sidecar-health"
MOUNTED: Final = "sidecar-secret-"
"""What the names of volumes with Secrets begin with."""
_USER: Final = 65532
_READABLE: Final = 0o444
"""Only the sidecar mounts it, and its user is not the owner."""

Built = dict[str, object]


def container(wishes: Wishes, settings: Settings, upstream_port: int) -> Built:
    """Build the container: a native sidecar, which serves before the app starts and ends after it.

    Args:
        wishes: of the pod.
        settings: for all pods.
        upstream_port: number of the port behind the sidecar, for ${SIDECAR_UPSTREAM_PORT}.
    """
    return {
        "name": NAME,
        "restartPolicy": "Always",
        "image": wishes.image,
        "imagePullPolicy": settings.pull_policy,
        "args": ["run"],
        "ports": [
            _port(PROXY_PORT_NAME, wishes.proxy_port),
            _port(HEALTH_PORT_NAME, wishes.health_port),
        ],
        "env": _variables(wishes, upstream_port),
        "startupProbe": {**_probe("/livez"), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**_probe("/livez"), "periodSeconds": 10, "timeoutSeconds": 3},
        "readinessProbe": {
            **_probe(wishes.readiness_path),
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        },
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": settings.memory},
            "limits": {"memory": settings.memory_limit},
        },
        "securityContext": _security_context(),
        "volumeMounts": _mounts(wishes),
    }


def volumes(wishes: Wishes) -> list[Built]:
    """Build the volumes that the container mounts."""
    secrets: list[Built] = [
        {"name": f"{MOUNTED}{at}", "secret": {"secretName": secret, "defaultMode": _READABLE}}
        for at, (secret, _) in enumerate(wishes.secret_files)
    ]
    return [
        {"name": "sidecar-policy", "configMap": {"name": wishes.policy}},
        {"name": "sidecar-state", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "sidecar-audit", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "sidecar-tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        *secrets,
    ]


def _port(name: str, number: int) -> Built:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _probe(path: str) -> Built:
    return {"httpGet": {"path": path, "port": HEALTH_PORT_NAME}}


def _variables(wishes: Wishes, upstream_port: int) -> list[Built]:
    found: list[Built] = [
        {"name": "SIDECAR_POLICY", "value": "/etc/sidecar/policy.yaml"},
        {"name": "SIDECAR_STATE_DIR", "value": "/var/lib/sidecar"},
    ]
    if wishes.redis_secret:
        url = {"name": wishes.redis_secret, "key": "url"}
        password = {"name": wishes.redis_secret, "key": "password", "optional": True}
        found.append({"name": "SIDECAR_REDIS_URL", "valueFrom": {"secretKeyRef": url}})
        found.append({"name": "SIDECAR_REDIS_PASSWORD", "valueFrom": {"secretKeyRef": password}})
    found += [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for variable, secret, key in wishes.secret_env
    ]
    return [*found, {"name": "SIDECAR_UPSTREAM_PORT", "value": str(upstream_port)}]


def _security_context() -> Built:
    """Build what Pod Security `restricted` asks for, and a root file system that is read-only."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": _USER,
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _mounts(wishes: Wishes) -> list[Built]:
    return [
        {"name": "sidecar-policy", "mountPath": "/etc/sidecar", "readOnly": True},
        {"name": "sidecar-state", "mountPath": "/var/lib/sidecar"},
        {"name": "sidecar-audit", "mountPath": "/var/log/sidecar"},
        {"name": "sidecar-tmp", "mountPath": "/tmp"},  # noqa: S108 -- an emptyDir of the pod's own
        *(
            {"name": f"{MOUNTED}{at}", "mountPath": folder, "readOnly": True}
            for at, (_, folder) in enumerate(wishes.secret_files)
        ),
    ]
