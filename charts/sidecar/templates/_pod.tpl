{{/* What a pod needs to run the sidecar: as its only container, or beside a service.

In a chart of yours, with this chart as a dependency:

    initContainers:
      {{- include "sidecar.initContainer" .Subcharts.sidecar | nindent 8 }}
    volumes:
      {{- include "sidecar.volumes" .Subcharts.sidecar | nindent 8 }}
*/}}

{{/* A native sidecar: it is started and ready to serve before the service, and ends after it. */}}
{{- define "sidecar.initContainer" -}}
- name: sidecar
  restartPolicy: Always
  {{- include "sidecar.containerFields" . | nindent 2 }}
{{- end -}}

{{/* A change of the policy is a change of the pod: the sidecar reads it at its start. */}}
{{- define "sidecar.podAnnotations" -}}
sidecar/policy-sha256: {{ toJson (list .Values.policy .Values.policyFiles) | sha256sum }}
{{- end -}}

{{- define "sidecar.containerFields" -}}
image: {{ include "sidecar.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run]
ports:
  - {name: sidecar, containerPort: {{ include "sidecar.proxyPort" . }}, protocol: TCP}
  - {name: sidecar-health, containerPort: {{ include "sidecar.healthPort" . }}, protocol: TCP}
env:
  - {name: SIDECAR_POLICY, value: /etc/sidecar/policy.yaml}
  - {name: SIDECAR_STATE_DIR, value: /var/lib/sidecar}
  {{- with .Values.redis.secret }}
  - name: SIDECAR_REDIS_URL
    valueFrom: {secretKeyRef: {name: {{ . }}, key: url}}
  - name: SIDECAR_REDIS_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ . }}, key: password, optional: true}}
  {{- end }}
  {{- range .Values.secretEnv }}
  - name: {{ .name }}
    valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
  {{- end }}
  {{- range $name, $value := .Values.env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
startupProbe:
  httpGet: {path: /livez, port: sidecar-health}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: sidecar-health}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: {{ .Values.readinessPath }}, port: sidecar-health}
  periodSeconds: 5
  timeoutSeconds: 3
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
  runAsGroup: 65532
  runAsNonRoot: true
  runAsUser: 65532
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  - {name: sidecar-policy, mountPath: /etc/sidecar, readOnly: true}
  - {name: sidecar-state, mountPath: /var/lib/sidecar}
  - {name: sidecar-audit, mountPath: /var/log/sidecar}
  - {name: sidecar-tmp, mountPath: /tmp}
  {{- range $at, $file := .Values.secretFiles }}
  - {name: sidecar-secret-{{ $at }}, mountPath: {{ $file.path }}, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "sidecar.volumes" -}}
- name: sidecar-policy
  configMap: {name: {{ include "sidecar.fullname" . }}}
- name: sidecar-state
  {{- if and .Values.storage.claim (eq .Values.mode "gateway") }}
  persistentVolumeClaim: {claimName: {{ .Values.storage.claim }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .Values.storage.size }}}
  {{- end }}
- name: sidecar-audit
  emptyDir: {sizeLimit: {{ .Values.storage.auditSize }}}
- name: sidecar-tmp
  emptyDir: {sizeLimit: {{ .Values.storage.tmpSize }}}
{{- range $at, $file := .Values.secretFiles }}
- name: sidecar-secret-{{ $at }}
  # 0444: only the sidecar mounts it, and user 65532 is not the owner.
  secret: {secretName: {{ $file.secret }}, defaultMode: 292}
{{- end }}
{{- end -}}
