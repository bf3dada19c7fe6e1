{{/*
Environment, secrets and volumes of containers. What a container gets goes by scopes: `database` for all, `storage` for those that
touch artifacts, `webhooks` for the server.
*/}}

{{/* The Secret that the chart makes of credentials in values. */}}
{{- define "ferroflow.ownSecret" -}}
{{- include "ferroflow.nameWith" (dict "root" . "end" "env-secret") -}}
{{- end -}}

{{/* What is in it, as JSON. */}}
{{- define "ferroflow.ownSecretData" -}}
{{- $data := dict -}}
{{- $postgres := .Values.backendStore.postgres -}}
{{- if and $postgres.enabled (not .Values.backendStore.existingDatabaseSecret.name) -}}
{{- if and $postgres.user (not .Values.secretsAsFiles) -}}{{- $_ := set $data "PGUSER" (toString $postgres.user) -}}{{- end -}}
{{- with $postgres.password -}}{{- $_ := set $data "PGPASSWORD" (toString .) -}}{{- end -}}
{{- end -}}
{{- with .Values.artifactRoot.azureBlob -}}
{{- if and .enabled (not .existingSecret.name) -}}
{{- with .connectionString -}}{{- $_ := set $data "AZURE_STORAGE_CONNECTION_STRING" . -}}{{- end -}}
{{- with .accessKey -}}{{- $_ := set $data "AZURE_STORAGE_ACCESS_KEY" . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.artifactRoot.s3 -}}
{{- if and .enabled (not .existingSecret.name) -}}
{{- with .awsAccessKeyId -}}{{- $_ := set $data "AWS_ACCESS_KEY_ID" . -}}{{- end -}}
{{- with .awsSecretAccessKey -}}{{- $_ := set $data "AWS_SECRET_ACCESS_KEY" . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $data -}}
{{- end -}}

{{/*
Every variable that is a key of a Secret, as a JSON list of {name, secret, key, scope, file}; `file` is the variable that names
a file instead, if there is one.
*/}}
{{- define "ferroflow.secretVariables" -}}
{{- $all := list -}}
{{- $own := include "ferroflow.ownSecret" . -}}
{{- range $name, $_ := include "ferroflow.ownSecretData" . | fromJson -}}
{{- $scope := ternary "database" "storage" (hasPrefix "PG" $name) -}}
{{- $all = append $all (dict "name" $name "secret" $own "key" $name "scope" $scope) -}}
{{- end -}}
{{- $store := .Values.backendStore -}}
{{- if and $store.postgres.enabled $store.existingDatabaseSecret.name -}}
{{- with $store.existingDatabaseSecret -}}
{{- if .usernameKey -}}
{{- $all = append $all (dict "name" "PGUSER" "secret" .name "key" .usernameKey "scope" "database") -}}
{{- end -}}
{{- $all = append $all (dict "name" "PGPASSWORD" "secret" .name "key" .passwordKey "scope" "database") -}}
{{- end -}}
{{- end -}}
{{- with .Values.artifactRoot.azureBlob -}}
{{- if and .enabled .existingSecret.name -}}
{{- $secret := .existingSecret.name -}}
{{- if .existingSecret.keyOfConnectionString -}}
{{- $all = append $all (dict "name" "AZURE_STORAGE_CONNECTION_STRING" "secret" $secret "key" .existingSecret.keyOfConnectionString "scope" "storage") -}}
{{- else if .existingSecret.keyOfSasToken -}}
{{- $all = append $all (dict "name" "AZURE_STORAGE_SAS_TOKEN" "secret" $secret "key" .existingSecret.keyOfSasToken "scope" "storage") -}}
{{- else -}}
{{- $all = append $all (dict "name" "AZURE_STORAGE_ACCESS_KEY" "secret" $secret "key" .existingSecret.keyOfAccessKey "scope" "storage") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.artifactRoot.s3 -}}
{{- if and .enabled .existingSecret.name -}}
{{- $all = append $all (dict "name" "AWS_ACCESS_KEY_ID" "secret" .existingSecret.name "key" (default "AWS_ACCESS_KEY_ID" .existingSecret.keyOfAccessKeyId) "scope" "storage") -}}
{{- $all = append $all (dict "name" "AWS_SECRET_ACCESS_KEY" "secret" .existingSecret.name "key" (default "AWS_SECRET_ACCESS_KEY" .existingSecret.keyOfSecretAccessKey) "scope" "storage") -}}
{{- end -}}
{{- end -}}
{{- with .Values.webhooks.existingSecret -}}
{{- if .name -}}
{{- $all = append $all (dict "name" "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" "secret" .name "key" .key "scope" "webhooks") -}}
{{- end -}}
{{- end -}}
{{- $files := dict "PGUSER" "" "PGPASSWORD" "FERROFLOW_DB_PASSWORD_FILE" "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" "FERROFLOW_WEBHOOK_SECRET_KEY_FILE" -}}
{{- $done := list -}}
{{- range $all -}}
{{- $file := hasKey $files .name | ternary (get $files .name) (printf "%s_FILE" .name) -}}
{{- $done = append $done (set . "file" (ternary $file "" $.Values.secretsAsFiles)) -}}
{{- end -}}
{{- toJson $done -}}
{{- end -}}

{{/* (dict "root" . "scopes" (list "database")) */}}
{{- define "ferroflow.env" -}}
{{- $root := .root -}}
{{- $scopes := .scopes -}}
{{- $env := list -}}
{{- range include "ferroflow.secretVariables" $root | fromJsonArray -}}
{{- if not (has .scope $scopes) -}}
{{- else if .file -}}
{{- $env = append $env (dict "name" .file "value" (printf "/etc/ferroflow/secrets/%s/%s" .scope .name)) -}}
{{- else -}}
{{- $env = append $env (dict "name" .name "valueFrom" (dict "secretKeyRef" (dict "name" .secret "key" .key))) -}}
{{- end -}}
{{- end -}}
{{- with $root.Values -}}
{{- $theirs := .backendStore.existingDatabaseSecret -}}
{{- if and .backendStore.postgres.enabled .backendStore.postgres.user (ternary (not $theirs.usernameKey) .secretsAsFiles (not (empty $theirs.name))) -}}
{{- $env = append $env (dict "name" "PGUSER" "value" (toString .backendStore.postgres.user)) -}}
{{- end -}}
{{- if or .backendStore.postgres.sslRootCert.configMap .backendStore.postgres.sslRootCert.secret -}}
{{- $env = append $env (dict "name" "PGSSLROOTCERT" "value" (printf "/etc/ferroflow/database-ca/%s" .backendStore.postgres.sslRootCert.key)) -}}
{{- end -}}
{{- if or .caBundle.configMap .caBundle.secret -}}
{{- $env = append $env (dict "name" "SSL_CERT_FILE" "value" (printf "/etc/ferroflow/ca/%s" .caBundle.key)) -}}
{{- end -}}
{{- if and (has "storage" $scopes) .artifactRoot.gcs.enabled .artifactRoot.gcs.existingSecret.name -}}
{{- $env = append $env (dict "name" "GOOGLE_APPLICATION_CREDENTIALS" "value" (printf "/etc/ferroflow/gcs/%s" .artifactRoot.gcs.existingSecret.key)) -}}
{{- end -}}
{{- range $name, $value := .extraEnvVars -}}
{{- if kindIs "map" $value -}}
{{- $env = append $env (merge (dict "name" $name) $value) -}}
{{- else -}}
{{- $env = append $env (dict "name" $name "value" (include "ferroflow.plain" $value)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $env -}}
env:
{{ toYaml . | indent 2 }}
{{- end -}}
{{- end -}}

{{/*
Secrets of the user's go to the server. Other containers get them if the database's credentials can only come from there.
*/}}
{{- define "ferroflow.envFrom" -}}
{{- $values := .root.Values -}}
{{- $needed := or (has "storage" .scopes) (and $values.backendStore.postgres.enabled (not $values.backendStore.postgres.password) (not $values.backendStore.existingDatabaseSecret.name)) -}}
envFrom:
  - configMapRef:
      name: {{ include "ferroflow.nameWith" (dict "root" .root "end" "env-configmap") }}
{{- if $needed }}
{{- range $values.extraSecretNamesForEnvFrom }}
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "ferroflow.volumeMounts" -}}
{{- $root := .root -}}
{{- $scopes := .scopes -}}
{{- $mounts := list (dict "name" "tmp" "mountPath" "/tmp") -}}
{{- with $root.Values -}}
{{- if and (has "data" $scopes) (include "ferroflow.needsData" $root) -}}
{{- $mounts = append $mounts (dict "name" "data" "mountPath" "/data") -}}
{{- end -}}
{{- range $scope := list "database" "storage" "webhooks" -}}
{{- if and (has $scope $scopes) (include "ferroflow.secretFiles" (dict "root" $root "scope" $scope)) -}}
{{- $mounts = append $mounts (dict "name" (printf "secrets-%s" $scope) "mountPath" (printf "/etc/ferroflow/secrets/%s" $scope) "readOnly" true) -}}
{{- end -}}
{{- end -}}
{{- if or .backendStore.postgres.sslRootCert.configMap .backendStore.postgres.sslRootCert.secret -}}
{{- $mounts = append $mounts (dict "name" "database-ca" "mountPath" "/etc/ferroflow/database-ca" "readOnly" true) -}}
{{- end -}}
{{- if or .caBundle.configMap .caBundle.secret -}}
{{- $mounts = append $mounts (dict "name" "ca" "mountPath" "/etc/ferroflow/ca" "readOnly" true) -}}
{{- end -}}
{{- if and (has "storage" $scopes) .artifactRoot.gcs.enabled .artifactRoot.gcs.existingSecret.name -}}
{{- $mounts = append $mounts (dict "name" "gcs" "mountPath" "/etc/ferroflow/gcs" "readOnly" true) -}}
{{- end -}}
{{- end -}}
volumeMounts:
{{ concat $mounts $root.Values.extraVolumeMounts | toYaml | indent 2 }}
{{- end -}}

{{/* Where the keys of a scope come from that are files, as the sources of a projected volume; nothing if there are none. */}}
{{- define "ferroflow.secretFiles" -}}
{{- $scope := .scope -}}
{{- $sources := list -}}
{{- range include "ferroflow.secretVariables" .root | fromJsonArray -}}
{{- if and (eq .scope $scope) .file -}}
{{- $items := list (dict "key" .key "path" .name) -}}
{{- $sources = append $sources (dict "secret" (dict "name" .secret "items" $items)) -}}
{{- end -}}
{{- end -}}
{{- with $sources -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/* (dict "root" . "scopes" …): the volumes behind those mounts. */}}
{{- define "ferroflow.volumes" -}}
{{- $root := .root -}}
{{- $scopes := .scopes -}}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 256Mi
{{- with $root.Values }}
{{- if and (has "data" $scopes) (include "ferroflow.needsData" $root) }}
  - name: data
{{- if .persistence.enabled }}
    persistentVolumeClaim:
      claimName: {{ default (include "ferroflow.fullname" $root) .persistence.existingClaim }}
{{- else }}
    emptyDir: {}
{{- end }}
{{- end }}
{{- range $scope := list "database" "storage" "webhooks" }}
{{- $sources := include "ferroflow.secretFiles" (dict "root" $root "scope" $scope) }}
{{- if and (has $scope $scopes) $sources }}
  - name: secrets-{{ $scope }}
    projected:
      defaultMode: 0440
      sources:
        {{- $sources | nindent 8 }}
{{- end }}
{{- end }}
{{- include "ferroflow.certificateVolume" (dict "name" "database-ca" "from" .backendStore.postgres.sslRootCert) }}
{{- include "ferroflow.certificateVolume" (dict "name" "ca" "from" .caBundle) }}
{{- if and (has "storage" $scopes) .artifactRoot.gcs.enabled .artifactRoot.gcs.existingSecret.name }}
  - name: gcs
    secret:
      secretName: {{ .artifactRoot.gcs.existingSecret.name }}
      defaultMode: 0440
{{- end }}
{{- with .extraVolumes }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "ferroflow.certificateVolume" -}}
{{- if .from.configMap }}
  - name: {{ .name }}
    configMap:
      name: {{ .from.configMap }}
{{- else if .from.secret }}
  - name: {{ .name }}
    secret:
      secretName: {{ .from.secret }}
      defaultMode: 0440
{{- end }}
{{- end -}}
