{{/* Which image runs. Values written for MLflow's charts name MLflow's image: it is replaced by ours. */}}

{{- define "ferroflow.image.isMlflow" -}}
{{- $image := .Values.image -}}
{{- if regexMatch "(^|/)((burakince|mlflow|bitnami|bitnamilegacy|bitnamisecure)/)mlflow$" $image.repository -}}
true
{{- else if and (eq $image.repository "ferroflow") (regexMatch "^v?[23]\\.[0-9]+\\.[0-9]+" (toString $image.tag)) -}}
true
{{- end -}}
{{- end -}}

{{- define "ferroflow.image.isReplaced" -}}
{{- if and (include "ferroflow.image.isMlflow" .) (not .Values.image.official) -}}true{{- end -}}
{{- end -}}

{{/* The image that the values name, as they name it. */}}
{{- define "ferroflow.image.asked" -}}
{{- with .Values.image -}}
{{- .repository -}}{{- with .tag -}}:{{- . -}}{{- end -}}{{- with .digest -}}@{{- . -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ferroflow.image" -}}
{{- if include "ferroflow.image.isReplaced" . -}}
ferroflow:{{ .Chart.AppVersion }}
{{- else -}}
{{- $tag := .Values.image.tag | default (ternary (index .Chart.Annotations "ferroflow/mlflow-version") .Chart.AppVersion .Values.image.official) -}}
{{- printf "%s:%s" .Values.image.repository (toString $tag) -}}{{- with .Values.image.digest -}}@{{- . -}}{{- end -}}
{{- end -}}
{{- end -}}
