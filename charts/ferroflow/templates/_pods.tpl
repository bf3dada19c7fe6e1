{{/* What all pods have alike. */}}

{{/* The head of a pod's spec: (dict "root" .). */}}
{{- define "ferroflow.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "ferroflow.serviceAccountName" .root }}
automountServiceAccountToken: {{ $values.serviceAccount.automount }}
# Kubernetes' variables of Services, such as MLFLOW_PORT=tcp://…, would be taken for options.
enableServiceLinks: false
{{- with $values.imagePullSecrets }}
imagePullSecrets:
{{ toYaml . | indent 2 }}
{{- end }}
securityContext:
{{ toYaml $values.podSecurityContext | indent 2 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
{{ toYaml . | indent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}

{{/* A container of our image: (dict "root" . "name" … "args" (list …) "scopes" (list …)). */}}
{{- define "ferroflow.container" -}}
name: {{ .name }}
image: {{ include "ferroflow.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [ferroflow]
args:
{{ toYaml .args | indent 2 }}
{{ include "ferroflow.envFrom" . }}
{{- with include "ferroflow.env" . }}
{{ . }}
{{- end }}
{{ include "ferroflow.volumeMounts" . }}
resources:
{{ toYaml .root.Values.resources | indent 2 }}
securityContext:
{{ toYaml .root.Values.securityContext | indent 2 }}
{{- end -}}

{{/* Init containers before the server, as a YAML list; nothing if there are none. */}}
{{- define "ferroflow.initContainers" -}}
{{- $store := .Values.backendStore -}}
{{- $ours := and $store.postgres.enabled (not .Values.image.official) -}}
{{- $uri := include "ferroflow.databaseUri" . -}}
{{- if and $ours $store.databaseConnectionCheck }}
{{- $args := list "db" "wait" (printf "--timeout=%d" (int $store.connectionCheckTimeoutSeconds)) -}}
{{- if or (not $store.databaseMigration) (eq .Values.migration.mode "job") -}}{{- $args = append $args "--migrated" -}}{{- end }}
- {{ include "ferroflow.container" (dict "root" . "name" "dbchecker" "args" (append $args $uri) "scopes" (list "database")) | nindent 2 | trim }}
{{- end }}
{{- if and $ours $store.databaseMigration (eq .Values.migration.mode "init") }}
- {{ include "ferroflow.container" (dict "root" . "name" "mlflow-db-migration" "args" (list "db" "upgrade" $uri) "scopes" (list "database")) | nindent 2 | trim }}
{{- end }}
{{- with .Values.initContainers }}
{{ toYaml . }}
{{- end }}
{{- end -}}
