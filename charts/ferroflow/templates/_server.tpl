{{/* What the server is told on its command line, and whom it answers. */}}

{{- define "ferroflow.staticPrefix" -}}
{{- with .Values.extraArgs.staticPrefix -}}/{{- trimAll "/" . -}}{{- end -}}
{{- end -}}

{{- define "ferroflow.kebab" -}}
{{- if regexMatch "[A-Z]" . -}}{{- kebabcase . -}}{{- else -}}{{- . | replace "_" "-" -}}{{- end -}}
{{- end -}}

{{- define "ferroflow.usesSqlite" -}}
{{- if not .Values.backendStore.postgres.enabled -}}true{{- end -}}
{{- end -}}

{{- define "ferroflow.databaseUri" -}}
{{- if include "ferroflow.usesSqlite" . -}}
{{- $path := .Values.backendStore.defaultSqlitePath -}}
{{- if or (eq $path ":memory:") (eq $path "") -}}{{- $path = "mlflow.db" -}}{{- end -}}
{{- if not (hasPrefix "/" $path) -}}{{- $path = printf "/data/%s" (trimPrefix "./" $path) -}}{{- end -}}
sqlite:///{{ $path }}
{{- else -}}
postgresql{{ with .Values.backendStore.postgres.driver }}+{{ . }}{{ end }}://
{{- end -}}
{{- end -}}

{{/* Where artifacts are, by whichever way. */}}
{{- define "ferroflow.artifacts" -}}
{{- $at := .Values.artifactRoot -}}
{{- if $at.azureBlob.enabled -}}
wasbs://{{ $at.azureBlob.container }}@{{ $at.azureBlob.storageAccount }}.blob.{{ $at.azureBlob.endpointSuffix }}/{{ trimPrefix "/" $at.azureBlob.path }}
{{- else if $at.s3.enabled -}}
s3://{{ $at.s3.bucket }}/{{ trimPrefix "/" $at.s3.path }}
{{- else if $at.gcs.enabled -}}
gs://{{ $at.gcs.bucket }}/{{ trimPrefix "/" $at.gcs.path }}
{{- else -}}
{{- $place := ternary $at.defaultArtifactsDestination $at.defaultArtifactRoot $at.proxiedArtifactStorage -}}
{{- if or (hasPrefix "/" $place) (contains ":" $place) -}}{{- $place -}}{{- else -}}/data/{{- trimPrefix "./" $place -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether artifacts are files of the pod's volume. */}}
{{- define "ferroflow.hasLocalArtifacts" -}}
{{- if hasPrefix "/" (include "ferroflow.artifacts" .) -}}true{{- end -}}
{{- end -}}

{{/* Whether the pod needs /data. */}}
{{- define "ferroflow.needsData" -}}
{{- if or .Values.persistence.enabled (include "ferroflow.usesSqlite" .) (include "ferroflow.hasLocalArtifacts" .) -}}true{{- end -}}
{{- end -}}

{{/* Whether the server leaves an older schema alone. */}}
{{- define "ferroflow.othersMigrate" -}}
{{- if or (not .Values.backendStore.databaseMigration) (ne .Values.migration.mode "server") -}}true{{- end -}}
{{- end -}}

{{- define "ferroflow.serverArgs" -}}
{{- $args := list "server" (printf "--host=%s" .Values.serverHost) (printf "--port=%d" (int .Values.service.containerPort)) -}}
{{- $args = append $args (printf "--backend-store-uri=%s" (include "ferroflow.databaseUri" .)) -}}
{{- if .Values.artifactRoot.proxiedArtifactStorage -}}
{{- $args = append $args (printf "--artifacts-destination=%s" (include "ferroflow.artifacts" .)) -}}
{{- $args = append $args "--serve-artifacts" -}}
{{- else -}}
{{- $args = append $args (printf "--default-artifact-root=%s" (include "ferroflow.artifacts" .)) -}}
{{- $args = append $args "--no-serve-artifacts" -}}
{{- end -}}
{{- if and (include "ferroflow.othersMigrate" .) (not .Values.image.official) -}}
{{- $args = append $args "--no-database-migration" -}}
{{- end -}}
{{- range $key, $value := .Values.extraArgs -}}
{{- $args = append $args (printf "--%s=%s" (include "ferroflow.kebab" $key) (include "ferroflow.plain" $value)) -}}
{{- end -}}
{{- range .Values.extraFlags -}}
{{- $args = append $args (printf "--%s" (include "ferroflow.kebab" .)) -}}
{{- end -}}
{{- toYaml $args -}}
{{- end -}}

{{/* A number or a truth as text: numbers of values files are floats, which print as 1e+06. */}}
{{- define "ferroflow.plain" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{- int64 . -}}{{- else -}}{{- . -}}{{- end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Host headers to accept: names of the Service, this pod by port-forward, the names outside. */}}
{{- define "ferroflow.allowedHosts" -}}
{{- $full := include "ferroflow.fullname" . -}}
{{- $hosts := list -}}
{{- $catchesAll := false -}}
{{- if .Values.ingress.enabled -}}
{{- range .Values.ingress.hosts -}}
{{- if .host -}}{{- $hosts = append $hosts .host -}}{{- else -}}{{- $catchesAll = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.httpRoute.enabled -}}
{{- range .Values.httpRoute.hostnames -}}{{- $hosts = append $hosts . -}}{{- end -}}
{{- if not .Values.httpRoute.hostnames -}}{{- $catchesAll = true -}}{{- end -}}
{{- end -}}
{{- range .Values.serverAllowedHosts -}}{{- $hosts = append $hosts . -}}{{- end -}}
{{- if or $catchesAll (has "*" $hosts) -}}
*
{{- else -}}
{{- if .Values.service.enabled -}}
{{- $inside := printf "%s.%s" $full .Release.Namespace -}}
{{- $hosts = concat $hosts (list $full $inside (printf "%s.svc" $inside) (printf "%s.svc.%s" $inside .Values.clusterDomain)) -}}
{{- end -}}
{{- $hosts = concat $hosts (list "localhost" "127.0.0.1") -}}
{{- if ne .Values.service.type "ClusterIP" -}}
{{- $hosts = concat $hosts (list "10.*" "192.168.*") -}}
{{- range $n := untilStep 16 32 1 -}}{{- $hosts = append $hosts (printf "172.%d.*" $n) -}}{{- end -}}
{{- end -}}
{{- join "," (uniq $hosts) -}}
{{- end -}}
{{- end -}}

{{/* Origins to accept: those of the names outside, which patterns are not. */}}
{{- define "ferroflow.allowedOrigins" -}}
{{- $origins := list -}}
{{- if .Values.ingress.enabled -}}
{{- $secure := list -}}
{{- range .Values.ingress.tls -}}{{- $secure = concat $secure (.hosts | default list) -}}{{- end -}}
{{- range .Values.ingress.hosts -}}
{{- if and .host (not (contains "*" .host)) -}}
{{- $wildcard := printf "*.%s" (rest (splitList "." .host) | join ".") -}}
{{- $isSecure := or (has .host $secure) (has $wildcard $secure) -}}
{{- $origins = append $origins (printf "%s://%s" (ternary "https" "http" $isSecure) .host) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.httpRoute.enabled -}}
{{- range .Values.httpRoute.hostnames -}}
{{- if not (contains "*" .) -}}{{- $origins = append $origins (printf "https://%s" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.corsAllowedOrigins -}}{{- $origins = append $origins . -}}{{- end -}}
{{- if has "*" $origins -}}*{{- else -}}{{- join "," (uniq $origins) -}}{{- end -}}
{{- end -}}

{{/* Where a probe asks: (dict "root" . "path" "livez" "probe" .Values.livenessProbe). MLflow has /health alone. */}}
{{- define "ferroflow.probe" -}}
httpGet:
  path: {{ include "ferroflow.staticPrefix" .root }}/{{ ternary "health" .path .root.Values.image.official }}
  port: {{ .root.Values.service.containerPortName }}
{{- with .probe }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ferroflow.terminationGracePeriodSeconds" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add (int .Values.preStopSleepSeconds) (int .Values.shutdownGraceSeconds) 5 -}}
{{- else -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}
