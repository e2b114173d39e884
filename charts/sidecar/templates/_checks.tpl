{{/* What would not work, or would be open, is no release. Each message says how to mend it. */}}

{{- define "sidecar.checks" -}}
{{- if eq .Values.mode "injector" -}}
{{- include "sidecar.checkInjector" . -}}
{{- else -}}
{{- include "sidecar.checkPolicy" . -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkInjector" -}}
{{- if not .Values.injector.tlsSecret -}}
{{- fail "injector.tlsSecret: API servers ask over TLS: name a Secret with tls.crt and tls.key, for the Service's name" -}}
{{- end -}}
{{- if and (not .Values.injector.caBundle) (not .Values.injector.caFrom) -}}
{{- fail "injector.caBundle: whom do API servers believe? Give the authority's PEM in base64, or injector.caFrom=NAMESPACE/CERTIFICATE of cert-manager" -}}
{{- end -}}
{{- if and .Values.injector.caBundle .Values.injector.caFrom -}}
{{- fail "injector.caFrom: cert-manager would replace injector.caBundle: give one of them" -}}
{{- end -}}
{{- if not .Values.injector.namespaceLabels -}}
{{- fail "injector.namespaceLabels: without any, all namespaces of the cluster would be injected" -}}
{{- end -}}
{{- if or (trim .Values.policy) .Values.policyFiles -}}
{{- fail "policy: in mode: injector pods name ConfigMaps in their own namespaces: injector.policy has the name for those that name none" -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkPolicy" -}}
{{- if not (trim .Values.policy) -}}
{{- fail "policy: there is none: --set-file policy=policy.yaml (in a chart of yours: sidecar.policy)" -}}
{{- end -}}
{{- include "sidecar.checkListeners" . -}}
{{- include "sidecar.checkUpstream" . -}}
{{- include "sidecar.checkState" . -}}
{{- if eq .Values.mode "sidecar" -}}
{{- include "sidecar.checkSidecar" . -}}
{{- else -}}
{{- include "sidecar.checkGateway" . -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkListeners" -}}
{{- $health := toString ((include "sidecar.listen" . | fromJson).health | default "") -}}
{{- if not (regexMatch ":[0-9]+$" $health) -}}
{{- fail "policy: listen.health is missing, and probes and metrics need it: listen: {health: 0.0.0.0:9902}" -}}
{{- end -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $health -}}
{{- fail (printf "policy: listen.health is %s, where no kubelet can ask: listen: {health: 0.0.0.0:9902}" $health) -}}
{{- end -}}
{{- $proxy := toString (include "sidecar.listen" . | fromJson).proxy -}}
{{- if or (not (regexMatch ":[0-9]+$" $proxy)) (regexMatch "^(127\\.|localhost:|\\[::1\\])" $proxy) -}}
{{- fail (printf "policy: listen.proxy is %s, where no client can connect: listen: {proxy: 0.0.0.0:8080}" $proxy) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkUpstream" -}}
{{- $url := include "sidecar.upstream" . -}}
{{- $isLocal := regexMatch "^(https?://(127\\.[0-9.]+|localhost|\\[::1\\])([:/]|$)|unix:)" $url -}}
{{- if and (eq .Values.mode "sidecar") (not $isLocal) -}}
{{- fail (printf "policy: upstream is %s, and a service that others can reach has a way around the sidecar: let it listen on 127.0.0.1 of its pod, as in upstream: http://127.0.0.1:3000, or use mode: gateway" ($url | default "missing")) -}}
{{- end -}}
{{- if and (eq .Values.mode "gateway") $isLocal -}}
{{- fail (printf "policy: upstream is %s, but nothing else runs in the gateway's pod: name the Service, as in upstream: http://orders:3000, or use mode: sidecar" $url) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkState" -}}
{{- $store := include "sidecar.store" . -}}
{{- $isReferred := contains "${SIDECAR_REDIS_URL}" $store -}}
{{- if and $isReferred (not .Values.redis.secret) -}}
{{- fail "redis.secret: the policy's state is ${SIDECAR_REDIS_URL}, which the key url of a Secret gives: --set redis.secret=NAME" -}}
{{- end -}}
{{- if and .Values.redis.secret (not $isReferred) -}}
{{- fail "redis.secret: the policy does not use it: state: {store: \"${SIDECAR_REDIS_URL}\", password: \"env:SIDECAR_REDIS_PASSWORD\"}" -}}
{{- end -}}
{{- $most := .Values.replicas | int -}}
{{- if .Values.autoscaling.enabled -}}{{- $most = .Values.autoscaling.maxReplicas | int -}}{{- end -}}
{{- if and (gt $most 1) (not (or $isReferred (regexMatch "^rediss?://" $store))) -}}
{{- fail (printf "policy: up to %d replicas need one store, and state is %s: each pod would have keys, revocations and rate limits of its own. Name Redis, as in state: redis://redis:6379/0, or have one replica without autoscaling" $most ($store | default "SQLite")) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkSidecar" -}}
{{- if not .Values.podSelector -}}
{{- fail "podSelector: which pods are yours? In mode: sidecar it has the labels that your Deployment selects, as in podSelector: {app: orders}" -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling: in mode: sidecar your own Deployment is scaled: give it a HorizontalPodAutoscaler, and replicas here the most that it has" -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checkGateway" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.upstreamPods) -}}
{{- fail "networkPolicy.upstreamPods: which pods are behind the gateway? Their labels keep everybody else from them; with networkPolicy.enabled=false you keep the ways around the gateway shut yourself" -}}
{{- end -}}
{{- $needed := add .Values.preStopSeconds (include "sidecar.drainSeconds" . | int) 5 -}}
{{- if lt (.Values.gracePeriodSeconds | int) ($needed | int) -}}
{{- fail (printf "gracePeriodSeconds: %d is too short for preStopSeconds, listen.drain and 5 seconds: at least %d" (.Values.gracePeriodSeconds | int) ($needed | int)) -}}
{{- end -}}
{{- end -}}
