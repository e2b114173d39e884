"""A cluster as far as admission sees one: namespaces, accounts, and the chart's configuration."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.apiserver.server import ApiServer, Ask, Tree, wait_for
from tests.apiserver.webhook import in_base64
from tests.chart.helm import Helm, one_of
from tests.chart.releases import INJECTING
from tests.ports import HOST

OWN: Final = "shop"
"""The namespace that the chart is rendered for: the injector's own."""
TEAM: Final = "team"
PLAIN: Final = "plain"
SYSTEM: Final = "kube-system"
_ASKED: Final = {"sidecar/inject": "true"}
CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server with namespaces, and how the chart configures it.

    Attributes:
        server: the API server.
        rendered: the MutatingWebhookConfiguration of the chart.
    """

    server: ApiServer
    rendered: Tree

    def prepare(self) -> None:
        """Make namespaces and the accounts of their pods, for no controller runs that would."""
        for name, labels in ((TEAM, _ASKED), (OWN, _ASKED), (PLAIN, {})):
            # 1.21 and later write this label themselves.
            labelled = {"kubernetes.io/metadata.name": name, **labels}
            metadata = {"name": name, "labels": labelled}
            self.server.made("/api/v1/namespaces", _object("Namespace", metadata))
        labelled = {"kubernetes.io/metadata.name": SYSTEM, **_ASKED}
        patch = {"metadata": {"labels": labelled}}
        path = f"/api/v1/namespaces/{SYSTEM}"
        asked = Ask("PATCH", path, patch, content_type="application/merge-patch+json")
        assert self.server.ask(asked).status == 200
        for name in (TEAM, OWN, PLAIN, SYSTEM):
            self._account(name)

    def _account(self, namespace: str) -> None:
        """Make the account `default` and its token, which 1.20 mounts into each container."""
        token, path = "default-token", f"/api/v1/namespaces/{namespace}"
        account = _object("ServiceAccount", {"name": "default"})
        uid = self.server.made(f"{path}/serviceaccounts", {**account, "secrets": [{"name": token}]})
        about = {
            "kubernetes.io/service-account.name": "default",
            "kubernetes.io/service-account.uid": uid["metadata"]["uid"],
        }
        secret = _object("Secret", {"name": token, "annotations": about})
        kind = {"type": "kubernetes.io/service-account-token", "stringData": {"token": "none"}}
        self.server.made(f"{path}/secrets", {**secret, **kind})

    def configuration(self, port: int, authority: bytes, **changes: object) -> Tree:
        """Take the chart's configuration.

        The one difference is the address: an API server outside of its cluster reaches no Service.

        Args:
            port: of the webhook on loopback.
            authority: whom to believe, PEM.
            changes: to each of its webhooks.
        """
        made = copy.deepcopy(self.rendered)
        for one in made["webhooks"]:
            path = one["clientConfig"].pop("service")["path"]
            one["clientConfig"]["url"] = f"https://{HOST}:{port}{path}"
            one["clientConfig"]["caBundle"] = in_base64(authority)
            one.update(changes)
        return made

    @contextmanager
    def configured(self, configuration: Tree) -> Iterator[None]:
        """Register a configuration until the block ends."""
        made = self.server.made(CONFIGURATIONS, configuration)
        try:
            yield
        finally:
            path = f"{CONFIGURATIONS}/{made['metadata']['name']}"
            assert self.server.ask(Ask("DELETE", path)).status == 200
            # What is not asked about any more passes, as it did before.
            wait_for(lambda: not self.asks())

    def change(self, configuration: Tree) -> None:
        """Put a configuration in the place of the one that is registered."""
        path = f"{CONFIGURATIONS}/{configuration['metadata']['name']}"
        patch = {"webhooks": configuration["webhooks"]}
        asked = Ask("PATCH", path, patch, content_type="application/merge-patch+json")
        answer = self.server.ask(asked)
        assert answer.status == 200, answer

    def asks(self) -> bool:
        """Tell whether the webhook is asked, and answers: by a pod that is not kept."""
        left_out = {"name": "left-out", "annotations": {"sidecar/inject": "false"}}
        pod = _object("Pod", left_out) | {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}
        answer = self.server.ask(Ask("POST", f"/api/v1/namespaces/{TEAM}/pods?dryRun=All", pod))
        return answer.warnings != []

    def is_asked(self) -> None:
        """Wait until the API server asks the webhook."""
        wait_for(self.asks)


def rendered(helm: Helm) -> Tree:
    manifests = helm.manifests(INJECTING)
    return one_of(manifests, "MutatingWebhookConfiguration")


def _object(kind: str, metadata: Tree) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
