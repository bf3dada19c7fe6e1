{{/*
A key that the chart does not know is an error that names the nearest one it does know. The schema cannot say that, and Helm reads it
before the templates, so it leaves unknown keys to this file. What is known is in files/known-keys.yaml, made from values.yaml; below a key
that stands for anything, such as annotations, it says `any`.
*/}}

{{- define "ferroflow.unknownKeys" -}}
{{- $known := .Files.Get "files/known-keys.yaml" | fromYaml -}}
{{- $values := omit .Values "global" -}}
{{- include "ferroflow.unknownKeys.in" (dict "known" $known "values" $values "path" "" "all" $known) -}}
{{- end -}}

{{- define "ferroflow.unknownKeys.in" -}}
{{- $at := . -}}
{{- if and (kindIs "map" .known) (kindIs "map" .values) -}}
{{- range $key, $value := .values -}}
{{- $path := ternary $key (printf "%s.%s" $at.path $key) (eq $at.path "") -}}
{{- if hasKey $at.known $key -}}
{{- include "ferroflow.unknownKeys.in" (dict "known" (get $at.known $key) "values" $value "path" $path "all" $at.all) -}}
{{- else -}}
{{- $advice := include "ferroflow.unknownKeys.advice" (dict "key" $key "at" $at) -}}
{{- fail (printf "\n\n%s is not a value of this chart. %s\n" $path $advice) -}}
{{- end -}}
{{- end -}}
{{- else if and (kindIs "slice" .known) (kindIs "slice" .values) -}}
{{- range $n, $value := .values -}}
{{- include "ferroflow.unknownKeys.in" (dict "known" (first $at.known) "values" $value "path" (printf "%s[%d]" $at.path $n) "all" $at.all) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The nearest key beside it, or the same key in another place, or all there are. */}}
{{- define "ferroflow.unknownKeys.advice" -}}
{{- $key := .key -}}
{{- $prefix := ternary "" (printf "%s." .at.path) (eq .at.path "") -}}
{{- $nearest := "" -}}
{{- $least := 100 -}}
{{- range $candidate, $_ := .at.known -}}
{{- $distance := include "ferroflow.distance" (dict "a" (lower $key) "b" (lower $candidate)) | int -}}
{{- if lt $distance $least -}}
{{- $least = $distance -}}
{{- $nearest = $candidate -}}
{{- end -}}
{{- end -}}
{{- $elsewhere := include "ferroflow.unknownKeys.places" (dict "key" $key "known" .at.all "path" "") | trim -}}
{{- if le (mul 2 $least) (max 2 (len $key)) -}}
Did you mean {{ $prefix }}{{ $nearest }}?
{{- else if $elsewhere -}}
Did you mean {{ splitList "\n" $elsewhere | first | trim }}?
{{- else -}}
Known are: {{ keys .at.known | sortAlpha | join ", " }}.
{{- end -}}
{{- end -}}

{{/* Every path that ends in this key, a line each. */}}
{{- define "ferroflow.unknownKeys.places" -}}
{{- $at := . -}}
{{- if kindIs "map" .known -}}
{{- range $name, $below := .known -}}
{{- $path := ternary $name (printf "%s.%s" $at.path $name) (eq $at.path "") -}}
{{- if eq (lower $name) (lower $at.key) }}
{{ $path }}
{{- end -}}
{{- include "ferroflow.unknownKeys.places" (dict "key" $at.key "known" $below "path" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* How many letters of `a` have to be changed, added or left out to get `b`. */}}
{{- define "ferroflow.distance" -}}
{{- $a := .a -}}
{{- $b := .b -}}
{{- $row := untilStep 0 (add1 (len $b) | int) 1 -}}
{{- range $i := until (len $a) -}}
{{- $letter := substr $i (add1 $i | int) $a -}}
{{- $next := list (add1 $i) -}}
{{- range $j := until (len $b) -}}
{{- $change := add (index $row $j) (ternary 0 1 (eq $letter (substr $j (add1 $j | int) $b))) -}}
{{- $next = append $next (min $change (add1 (index $next $j)) (add1 (index $row (add1 $j | int)))) -}}
{{- end -}}
{{- $row = $next -}}
{{- end -}}
{{- last $row -}}
{{- end -}}
