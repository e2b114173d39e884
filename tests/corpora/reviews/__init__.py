"""What a real API server asked the webhook, what it was answered, and what it stored.

It was Kubernetes 1.20.2 of Debian 12 without the rule that init containers have no probes, which
1.20 has and releases with native sidecars have not (ci/apiserver.sh). It drops `restartPolicy` of
containers. `make reviews RECORD=1` records anew.
"""
