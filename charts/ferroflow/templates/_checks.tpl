{{/* What cannot work is refused here, with a sentence that says what to do. Each check answers its sentence, or nothing. */}}

{{- define "ferroflow.check" -}}
{{- include "ferroflow.unknownKeys" . -}}
{{- $all := list "notHere" "pods" "database" "artifacts" "arguments" "exposure" "basicAuth" "certificates" "migration" "gc" "externalSecrets" "official" -}}
{{- range $all -}}
{{- with include (printf "ferroflow.check.%s" .) $ | trim -}}
{{- fail (printf "\n\n%s\n" (splitList "\n" . | first | trim)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.notHere" -}}
{{- $store := .Values.backendStore -}}
{{- if $store.mysql.enabled }}
backendStore.mysql: Ferroflow keeps its data in PostgreSQL or SQLite. Move the database over (charts/ferroflow/README.md), then set backendStore.postgres.
{{- end }}
{{- if $store.mssql.enabled }}
backendStore.mssql: Ferroflow keeps its data in PostgreSQL or SQLite. Move the database over (charts/ferroflow/README.md), then set backendStore.postgres.
{{- end }}
{{- if .Values.postgresql.enabled }}
postgresql.enabled: no database comes with this chart, since one in a pod of its own has no backup. Name yours in backendStore.postgres; CloudNativePG is an operator that runs one.
{{- end }}
{{- if .Values.mysql.enabled }}
mysql.enabled: no database comes with this chart, and MySQL is not served. Name a PostgreSQL in backendStore.postgres.
{{- end }}
{{- if .Values.minio.enabled }}
minio.enabled: no storage comes with this chart. Name yours in artifactRoot.s3, with artifactRoot.s3.endpointUrl where it is not Amazon's.
{{- end }}
{{- if .Values.auth.enabled }}
auth.enabled: users and permissions come with a later version. Let the ingress ask for a name and password (basicAuth.enabled), or leave it out if everybody who reaches the server may do everything.
{{- end }}
{{- if .Values.ldapAuth.enabled }}
ldapAuth.enabled: users come with a later version. Put an authenticating proxy before the server, by an annotation of the ingress such as nginx.ingress.kubernetes.io/auth-url.
{{- end }}
{{- if .Values.oidcAuth.enabled }}
oidcAuth.enabled: users come with a later version. Put an authenticating proxy before the server, by an annotation of the ingress such as nginx.ingress.kubernetes.io/auth-url.
{{- end }}
{{- if .Values.oauth2Proxy.enabled }}
oauth2Proxy.enabled: this chart runs no proxy beside the server. Install oauth2-proxy's own chart and name it in nginx.ingress.kubernetes.io/auth-url.
{{- end }}
{{- if .Values.serviceMonitor.enabled }}
serviceMonitor.enabled: the server has no metrics yet; they come with a later version. Leave it out: there is nothing to scrape.
{{- end }}
{{- end -}}

{{- define "ferroflow.check.pods" -}}
{{- $many := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- $which := ternary "autoscaling.enabled" "replicaCount" .Values.autoscaling.enabled -}}
{{- if and $many (include "ferroflow.usesSqlite" .) }}
{{ $which }}: SQLite is for one pod. Set backendStore.postgres.enabled for more of them.
{{- end }}
{{- if and $many .Values.artifactRoot.proxiedArtifactStorage (include "ferroflow.hasLocalArtifacts" .) (not (and .Values.persistence.enabled (has "ReadWriteMany" .Values.persistence.accessModes))) }}
{{ $which }}: each pod would keep artifacts of its own. Enable a storage in artifactRoot, or persistence.enabled with accessModes [ReadWriteMany].
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
autoscaling.minReplicas is larger than autoscaling.maxReplicas.
{{- end }}
{{- end -}}

{{- define "ferroflow.check.database" -}}
{{- $postgres := .Values.backendStore.postgres -}}
{{- if and $postgres.enabled (not $postgres.host) (not .Values.extraSecretNamesForEnvFrom) (not (hasKey .Values.extraEnvVars "PGHOST")) }}
backendStore.postgres.host: name the server, such as postgresql.databases.svc.cluster.local.
{{- end }}
{{- if and $postgres.enabled $postgres.password .Values.backendStore.existingDatabaseSecret.name }}
backendStore.postgres.password: the password is in backendStore.existingDatabaseSecret, too. Leave one of them out.
{{- end }}
{{- if and $postgres.sslRootCert.configMap $postgres.sslRootCert.secret }}
backendStore.postgres.sslRootCert: name a configMap or a secret, not both.
{{- end }}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}
caBundle: name a configMap or a secret, not both.
{{- end }}
{{- end -}}

{{- define "ferroflow.check.artifacts" -}}
{{- $at := .Values.artifactRoot -}}
{{- $clouds := list -}}
{{- range list "azureBlob" "s3" "gcs" -}}
{{- if (get $at .).enabled -}}{{- $clouds = append $clouds (printf "artifactRoot.%s" .) -}}{{- end -}}
{{- end -}}
{{- if gt (len $clouds) 1 }}
{{ join " and " $clouds }}: artifacts are kept in one place. Enable one of them.
{{- end }}
{{- if and $at.azureBlob.enabled (not (and $at.azureBlob.container $at.azureBlob.storageAccount)) }}
artifactRoot.azureBlob: set both container and storageAccount.
{{- end }}
{{- if and $at.s3.enabled (not $at.s3.bucket) }}
artifactRoot.s3.bucket: name the bucket.
{{- end }}
{{- if and $at.gcs.enabled (not $at.gcs.bucket) }}
artifactRoot.gcs.bucket: name the bucket.
{{- end }}
{{- with $at.azureBlob.existingSecret }}
{{- if and .name (not (or .keyOfAccessKey .keyOfConnectionString .keyOfSasToken)) }}
artifactRoot.azureBlob.existingSecret: say which key of the Secret holds the access key, the connection string or the SAS token.
{{- end }}
{{- end }}
{{- end -}}

{{- define "ferroflow.check.arguments" -}}
{{- $own := dict "host" "serverHost" "port" "service.containerPort" "backend-store-uri" "backendStore" "artifacts-destination" "artifactRoot" "default-artifact-root" "artifactRoot" "serve-artifacts" "artifactRoot.proxiedArtifactStorage" "no-serve-artifacts" "artifactRoot.proxiedArtifactStorage" "no-database-migration" "backendStore.databaseMigration" -}}
{{- $later := dict "app-name" "auth.enabled" "expose-prometheus" "serviceMonitor.enabled" -}}
{{- $given := dict -}}
{{- range $key, $_ := .Values.extraArgs -}}{{- $_ := set $given (include "ferroflow.kebab" $key) (printf "extraArgs.%s" $key) -}}{{- end -}}
{{- range .Values.extraFlags -}}{{- $_ := set $given (include "ferroflow.kebab" .) (printf "extraFlags: %s" .) -}}{{- end -}}
{{- range $option, $where := $given -}}
{{- if hasKey $own $option }}
{{ $where }}: the chart sets --{{ $option }} itself. Use {{ get $own $option }} instead.
{{- end }}
{{- if and (hasKey $later $option) (not $.Values.image.official) }}
{{ $where }}: --{{ $option }} comes with a later version. Leave it out.
{{- end }}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.exposure" -}}
{{- if and (not .Values.service.enabled) (or .Values.ingress.enabled .Values.httpRoute.enabled) }}
service.enabled: an ingress or a route needs the Service. Leave it enabled.
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: name the Gateway, as [{name: …, namespace: …}].
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
ingress.hosts: name at least one host.
{{- end }}
{{- end -}}

{{- define "ferroflow.check.basicAuth" -}}
{{- with .Values.basicAuth -}}
{{- if .enabled -}}
{{- if and (not .entries) (not .existingSecret) }}
basicAuth: give entries, lines of `htpasswd -nb NAME PASSWORD`, or the name of an existingSecret.
{{- end }}
{{- if and .entries .existingSecret }}
basicAuth: give entries or existingSecret, not both.
{{- end }}
{{- range $entry := .entries -}}
{{- $name := splitList ":" $entry | first -}}
{{- $hash := trimPrefix (printf "%s:" $name) $entry -}}
{{- $kind := include "ferroflow.basicAuth.kind" $hash -}}
{{- if or (not (contains ":" $entry)) (not $name) }}
basicAuth.entries: an entry is a line of `htpasswd -nb NAME PASSWORD`, of the form NAME:HASH.
{{- else if not $kind }}
basicAuth.entries: what is there for {{ $name | quote }} is no hash. Make one with `htpasswd -nb {{ $name }} PASSWORD`; passwords do not belong into values.
{{- else if not (has $kind (include "ferroflow.basicAuth.kindsRead" $.Values.basicAuth.controller | splitList " ")) }}
basicAuth.entries: {{ $.Values.basicAuth.controller }} does not read the {{ $kind }} hash of {{ $name | quote }}. Make it with `htpasswd {{ ternary "-nbs" "-nb" (eq $.Values.basicAuth.controller "envoy-gateway") }} {{ $name }} PASSWORD`.
{{- end }}
{{- end -}}
{{- if and (has .controller (list "envoy-gateway" "nginx-gateway-fabric")) (not $.Values.httpRoute.enabled) }}
basicAuth.controller: {{ .controller }} serves routes. Set httpRoute.enabled, or name the controller of the ingress.
{{- end }}
{{- if and (eq .controller "ingress-nginx") (not $.Values.ingress.enabled) }}
basicAuth.controller: ingress-nginx serves ingresses. Set ingress.enabled, or name the controller of the route.
{{- end }}
{{- if and (eq .controller "ingress-nginx") $.Values.httpRoute.enabled }}
basicAuth.controller: ingress-nginx does not serve the route, which would let everybody in. Disable httpRoute, or install it with a release of its own.
{{- end }}
{{- if and (has .controller (list "envoy-gateway" "nginx-gateway-fabric")) $.Values.ingress.enabled }}
basicAuth.controller: {{ .controller }} does not serve the ingress, which would let everybody in. Disable ingress, or install it with a release of its own.
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.certificates" -}}
{{- if .Values.certificate.enabled -}}
{{- if not (include "ferroflow.certificate.secretName" .) }}
certificate.secretName: name the Secret, or give ingress.tls one.
{{- end }}
{{- if eq (include "ferroflow.certificate.dnsNames" .) "[]" }}
certificate.dnsNames: give at least one name, here or in ingress.tls.
{{- end }}
{{- if not .Values.certificate.issuerRef.name }}
certificate.issuerRef.name: name the issuer.
{{- end }}
{{- end -}}
{{- if .Values.clusterIssuer.enabled -}}
{{- if not .Values.clusterIssuer.cloudflare.apiTokenSecret.name }}
clusterIssuer.cloudflare.apiTokenSecret.name: name a Secret in cert-manager's namespace with a token of Cloudflare that may edit DNS and read zones.
{{- end }}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.migration" -}}
{{- if and .Values.backendStore.databaseMigration (ne .Values.migration.mode "server") (include "ferroflow.usesSqlite" .) }}
migration.mode: a SQLite file is the server's alone. Leave the mode at server.
{{- end }}
{{- if and (eq .Values.migration.mode "job") .Values.migration.job.hook (include "ferroflow.ownSecretData" . | fromJson) }}
migration.job.hook: a hook runs before the Secret of this release is there. Put the credentials into Secrets of yours (backendStore.existingDatabaseSecret, existingSecret), or leave the hook out.
{{- end }}
{{- end -}}

{{- define "ferroflow.check.gc" -}}
{{- if .Values.gc.enabled -}}
{{- if include "ferroflow.usesSqlite" . }}
gc.enabled: a SQLite file is the server's alone. Run `kubectl exec` with `ferroflow gc` in its pod instead.
{{- end }}
{{- if and .Values.artifactRoot.proxiedArtifactStorage (include "ferroflow.hasLocalArtifacts" .) (not (and .Values.persistence.enabled (has "ReadWriteMany" .Values.persistence.accessModes))) }}
gc.enabled: the artifacts are on the server's volume. Enable a storage in artifactRoot, or persistence with accessModes [ReadWriteMany].
{{- end }}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.externalSecrets" -}}
{{- with .Values.externalSecrets -}}
{{- if and .enabled (not .secretStoreRef.name) }}
externalSecrets.secretStoreRef.name: name the SecretStore or ClusterSecretStore.
{{- end }}
{{- if and .enabled (not .secrets) }}
externalSecrets.secrets: list the Secrets to make, as [{name: …, data: […]}].
{{- end }}
{{- end -}}
{{- end -}}

{{- define "ferroflow.check.official" -}}
{{- if .Values.image.official -}}
{{- if not (include "ferroflow.image.isMlflow" .) }}
image.official: image.repository is {{ .Values.image.repository }}; name the image of MLflow, such as burakince/mlflow.
{{- end }}
{{- if .Values.gc.enabled }}
gc.enabled: it is Ferroflow's. Leave image.official out, or call `mlflow gc` by yourself.
{{- end }}
{{- if .Values.secretsAsFiles }}
secretsAsFiles: MLflow reads no secrets from files. Leave image.official out, or secretsAsFiles.
{{- end }}
{{- end -}}
{{- end -}}
