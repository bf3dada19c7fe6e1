{{/* What the reader of NOTES should know about these values: a paragraph each, with what to do. */}}

{{- define "ferroflow.notes" -}}
{{- $annotations := .Values.ingress.annotations | default dict -}}
{{- if include "ferroflow.image.isReplaced" . }}
- image: {{ include "ferroflow.image.asked" . }} stands for the image of MLflow; {{ include "ferroflow.image" . }} runs in its place.
  To run MLflow's own after all, set image.official=true.
{{- $mlflow := index .Chart.Annotations "ferroflow/mlflow-version" }}
{{- if and .Values.image.tag (not (hasPrefix $mlflow (trimPrefix "v" (toString .Values.image.tag)))) }}
  These values ask for MLflow {{ .Values.image.tag }}; this version has the API and the database schema of {{ $mlflow }}. A database of a
  newer MLflow is refused and not changed.
{{- end }}
{{- end }}
{{- if hasPrefix "ferroflow:" (include "ferroflow.image" .) }}
- {{ include "ferroflow.image" . }} has to be on the nodes already. For one in a registry set image.repository=REGISTRY/ferroflow.
{{- end }}
{{- if .Values.image.official }}
- image.official: {{ include "ferroflow.image" . }} runs without this chart's init containers, Jobs and probes of readiness. MLflow does not wait for
  its database, and does not migrate an older one: call `mlflow db upgrade` by yourself.
{{- end }}
{{- if include "ferroflow.usesSqlite" . }}
- The data is in a SQLite file{{ if not .Values.persistence.enabled }} that is gone with the pod: set backendStore.postgres, or persistence.enabled{{ end }}.
{{- end }}
{{- if and .Values.artifactRoot.proxiedArtifactStorage (include "ferroflow.hasLocalArtifacts" .) (not .Values.persistence.enabled) }}
- Artifacts are gone with the pod: enable a storage in artifactRoot, or persistence.enabled.
{{- end }}
{{- if and .Values.backendStore.postgres.enabled .Values.backendStore.postgres.password }}
- The database's password is in the values of this release. A Secret is a better place: backendStore.existingDatabaseSecret.
{{- end }}
{{- if .Values.ingress.enabled }}
{{- if and .Values.ingress.certManagerShim (not .Values.certificate.enabled) .Values.ingress.tls (or (hasKey $annotations "cert-manager.io/cluster-issuer") (hasKey $annotations "cert-manager.io/issuer")) }}
- The ingress has an annotation of cert-manager, which makes it write a certificate of its own into {{ range $n, $tls := .Values.ingress.tls }}{{ if $n }}, {{ end }}{{ $tls.secretName }}{{ end }}. If that Secret is copied here
  from elsewhere, such as a wildcard's, the two overwrite each other for ever: set ingress.certManagerShim=false.
{{- end }}
{{- $secret := get $annotations "nginx.ingress.kubernetes.io/auth-secret" }}
{{- if and $secret (not .Values.basicAuth.enabled) }}
- The ingress asks for passwords of the Secret {{ $secret }}, which must be in namespace {{ .Release.Namespace }} with a key `auth`; until it is,
  the ingress answers 503:
    htpasswd -nb NAME PASSWORD | kubectl create secret generic {{ $secret }} --from-file=auth=/dev/stdin -n {{ .Release.Namespace }}
{{- end }}
{{- if contains "nginx" .Values.ingress.className }}
- ingress-nginx has had no releases since March 2026. Traefik 3.6 or newer serves the same class and annotations, httpRoute serves
  Gateways.
{{- end }}
{{- end }}
{{- $isAsked := or .Values.basicAuth.enabled (hasKey $annotations "nginx.ingress.kubernetes.io/auth-secret") (hasKey $annotations "nginx.ingress.kubernetes.io/auth-url") .Values.httpRoute.filters }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not $isAsked) }}
- Nobody is asked for a password: see basicAuth.
{{- end }}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.networkPolicy.allowFrom) }}
- Pods of this cluster reach the server past the ingress and its passwords. networkPolicy.allowFrom names who may.
{{- end }}
{{- end -}}
