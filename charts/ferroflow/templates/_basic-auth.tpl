{{/* Names and passwords that the ingress or gateway asks for. One list of hashes, in the shape that each controller reads. */}}

{{- define "ferroflow.basicAuth.secretName" -}}
{{- default (include "ferroflow.nameWith" (dict "root" . "end" "basic-auth")) .Values.basicAuth.existingSecret -}}
{{- end -}}

{{- define "ferroflow.basicAuth.objectName" -}}
{{- include "ferroflow.nameWith" (dict "root" . "end" "basic-auth") -}}
{{- end -}}

{{/* The kind of a hash, by its beginning; nothing if it is none. */}}
{{- define "ferroflow.basicAuth.kind" -}}
{{- if hasPrefix "$apr1$" . -}}apr1
{{- else if regexMatch "^\\$2[aby]\\$" . -}}bcrypt
{{- else if hasPrefix "{SHA}" . -}}SHA-1
{{- else if hasPrefix "{SSHA}" . -}}SSHA
{{- else if hasPrefix "$5$" . -}}SHA-256
{{- else if hasPrefix "$6$" . -}}SHA-512
{{- end -}}
{{- end -}}

{{/* The kinds that a controller reads. */}}
{{- define "ferroflow.basicAuth.kindsRead" -}}
{{- get (dict "ingress-nginx" "apr1 bcrypt SHA-1 SSHA SHA-256 SHA-512" "nginx-gateway-fabric" "apr1 bcrypt SHA-1 SSHA SHA-256 SHA-512" "traefik" "apr1 bcrypt SHA-1" "envoy-gateway" "SHA-1") . -}}
{{- end -}}

{{- define "ferroflow.basicAuth.key" -}}
{{- get (dict "ingress-nginx" "auth" "nginx-gateway-fabric" "auth" "traefik" "users" "envoy-gateway" ".htpasswd") .Values.basicAuth.controller -}}
{{- end -}}

{{- define "ferroflow.basicAuth.ingressAnnotations" -}}
{{- with .Values.basicAuth -}}
{{- if and .enabled (eq .controller "ingress-nginx") -}}
nginx.ingress.kubernetes.io/auth-type: basic
nginx.ingress.kubernetes.io/auth-secret: {{ include "ferroflow.basicAuth.secretName" $ }}
nginx.ingress.kubernetes.io/auth-realm: {{ .realm | quote }}
{{- else if and .enabled (eq .controller "traefik") -}}
traefik.ingress.kubernetes.io/router.middlewares: {{ $.Release.Namespace }}-{{ include "ferroflow.basicAuth.objectName" $ }}@kubernetescrd
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The filter of the route that asks for the password; nothing where a policy of its own does. */}}
{{- define "ferroflow.basicAuth.routeFilter" -}}
{{- with .Values.basicAuth -}}
{{- if and .enabled (eq .controller "traefik") -}}
- type: ExtensionRef
  extensionRef:
    group: traefik.io
    kind: Middleware
    name: {{ include "ferroflow.basicAuth.objectName" $ }}
{{- else if and .enabled (eq .controller "nginx-gateway-fabric") -}}
- type: ExtensionRef
  extensionRef:
    group: gateway.nginx.org
    kind: AuthenticationFilter
    name: {{ include "ferroflow.basicAuth.objectName" $ }}
{{- end -}}
{{- end -}}
{{- end -}}
