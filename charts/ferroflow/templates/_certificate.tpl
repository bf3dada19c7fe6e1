{{- define "ferroflow.certificate.secretName" -}}
{{- if .Values.certificate.secretName -}}
{{- .Values.certificate.secretName -}}
{{- else -}}
{{- range $n, $tls := .Values.ingress.tls -}}{{- if eq $n 0 -}}{{- $tls.secretName -}}{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* As a JSON list. */}}
{{- define "ferroflow.certificate.dnsNames" -}}
{{- $names := .Values.certificate.dnsNames -}}
{{- if not $names -}}
{{- range .Values.ingress.tls -}}{{- $names = concat $names (.hosts | default list) -}}{{- end -}}
{{- end -}}
{{- uniq $names | toJson -}}
{{- end -}}
