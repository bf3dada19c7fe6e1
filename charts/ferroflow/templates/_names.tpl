{{/* Names and labels. They are those of the community chart, so that its selectors and Services fit. */}}

{{- define "ferroflow.name" -}}
{{- default "mlflow" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "ferroflow.fullname" -}}
{{- $name := include "ferroflow.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if or (contains $name .Release.Name) (and (not .Values.nameOverride) (contains "ferroflow" .Release.Name)) -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* A name with an end that is never cut off: (dict "root" . "end" "gc"). */}}
{{- define "ferroflow.nameWith" -}}
{{- $room := sub 62 (len .end) | int -}}
{{- printf "%s-%s" (include "ferroflow.fullname" .root | trunc $room | trimSuffix "-") .end -}}
{{- end -}}

{{- define "ferroflow.selectorLabels" -}}
app: {{ include "ferroflow.name" . }}
app.kubernetes.io/name: {{ include "ferroflow.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ferroflow.labels" -}}
{{ include "ferroflow.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Labels of pods beside the server, which its selectors must not find: (dict "root" . "component" "gc"). */}}
{{- define "ferroflow.podLabelsBeside" -}}
{{- $name := printf "%s-%s" (include "ferroflow.name" .root | trunc 40 | trimSuffix "-") .component -}}
app: {{ $name }}
app.kubernetes.io/name: {{ $name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: {{ include "ferroflow.name" .root }}
{{- end -}}

{{- define "ferroflow.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ferroflow.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Annotations on the ServiceAccount: the user's, and what the clouds' identities read there. */}}
{{- define "ferroflow.serviceAccountAnnotations" -}}
{{- $own := dict -}}
{{- with .Values.workloadIdentity -}}
{{- if .azure.clientId -}}{{- $_ := set $own "azure.workload.identity/client-id" .azure.clientId -}}{{- end -}}
{{- if .azure.tenantId -}}{{- $_ := set $own "azure.workload.identity/tenant-id" .azure.tenantId -}}{{- end -}}
{{- if .aws.roleArn -}}{{- $_ := set $own "eks.amazonaws.com/role-arn" .aws.roleArn -}}{{- end -}}
{{- if .gcp.serviceAccount -}}{{- $_ := set $own "iam.gke.io/gcp-service-account" .gcp.serviceAccount -}}{{- end -}}
{{- end -}}
{{- with merge (dict) (.Values.serviceAccount.annotations | default dict) $own -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{/* The label by which Azure's webhook finds pods. */}}
{{- define "ferroflow.identityLabels" -}}
{{- if .Values.workloadIdentity.azure.clientId -}}
azure.workload.identity/use: "true"
{{- end -}}
{{- end -}}
