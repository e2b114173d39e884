{{/* What the chart must know of the policy is read from it, so that nothing is said twice. */}}

{{- define "sidecar.policy" -}}
{{- $read := fromYaml .Values.policy -}}
{{- if hasKey $read "Error" -}}
{{- fail (printf "policy: is no YAML: %s" $read.Error) -}}
{{- end -}}
{{- toJson $read -}}
{{- end -}}

{{/* The section listen, with the defaults that matter here. */}}
{{- define "sidecar.listen" -}}
{{- $listen := (include "sidecar.policy" . | fromJson).listen | default dict -}}
{{- toJson (merge (deepCopy $listen) (dict "proxy" "0.0.0.0:8080" "drain" "10s")) -}}
{{- end -}}

{{- define "sidecar.proxyPort" -}}
{{- if eq .Values.mode "injector" -}}8443{{- else -}}
{{- regexFind "[0-9]+$" (toString (include "sidecar.listen" . | fromJson).proxy) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.healthPort" -}}
{{- if eq .Values.mode "injector" -}}9902{{- else -}}
{{- regexFind "[0-9]+$" (toString (include "sidecar.listen" . | fromJson).health) -}}
{{- end -}}
{{- end -}}

{{/* The URL of the upstream, in either form. */}}
{{- define "sidecar.upstream" -}}
{{- $upstream := (include "sidecar.policy" . | fromJson).upstream -}}
{{- if kindIs "map" $upstream -}}{{- $upstream.url | default "" -}}{{- else -}}{{- $upstream | default "" -}}{{- end -}}
{{- end -}}

{{/* The store, in either form; empty is SQLite. */}}
{{- define "sidecar.store" -}}
{{- $state := (include "sidecar.policy" . | fromJson).state -}}
{{- if kindIs "map" $state -}}{{- $state.store | default "" -}}{{- else -}}{{- $state | default "" -}}{{- end -}}
{{- end -}}

{{/* The seconds of listen.drain, where it is whole seconds or minutes. */}}
{{- define "sidecar.drainSeconds" -}}
{{- $drain := toString (include "sidecar.listen" . | fromJson).drain -}}
{{- $number := regexFind "^[0-9]+" $drain | default "0" | int -}}
{{- if regexMatch "^[0-9]+m$" $drain -}}{{- mul $number 60 -}}{{- else if regexMatch "^[0-9]+s$" $drain -}}{{- $number -}}{{- else -}}1{{- end -}}
{{- end -}}
