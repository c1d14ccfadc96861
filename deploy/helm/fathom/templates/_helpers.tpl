{{- define "fathom.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* The longest name that is made from it ends in -directory: 63 characters are allowed. */}}
{{- define "fathom.fullname" -}}
{{- $name := include "fathom.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fathom.agent.name" -}}{{ include "fathom.fullname" . }}-agent{{- end -}}
{{- define "fathom.directory.name" -}}{{ include "fathom.fullname" . }}-directory{{- end -}}

{{/* Labels that never change, by which pods are selected. Arguments: the root, the component. */}}
{{- define "fathom.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "fathom.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "fathom.labels" -}}
{{- $root := index . 0 -}}
{{ include "fathom.selectorLabels" . }}
app.kubernetes.io/part-of: fathom
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of pods: not the chart's version, so that another chart with the same pods restarts none. */}}
{{- define "fathom.podLabels" -}}
{{ include "fathom.selectorLabels" . }}
app.kubernetes.io/part-of: fathom
{{- with (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "fathom.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fathom.agent.serviceAccount" -}}
{{- with .Values.agent.serviceAccount -}}
{{- if .create -}}{{ .name | default (include "fathom.agent.name" $) }}{{- else -}}{{ .name | default "default" }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fathom.directory.serviceAccount" -}}
{{- with .Values.directory.serviceAccount -}}
{{- if .create -}}{{ .name | default (include "fathom.directory.name" $) }}{{- else -}}{{ .name | default "default" }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "fathom.directory.secret" -}}
{{- $tls := .Values.directory.tls -}}
{{- if and (eq $tls.source "secret") (not $tls.secretName) -}}
{{- fail "directory.tls.source is secret: give directory.tls.secretName" -}}
{{- end -}}
{{- $tls.secretName | default (printf "%s-tls" (include "fathom.directory.name" .)) -}}
{{- end -}}

{{/* What agents call the directory. */}}
{{- define "fathom.directory.host" -}}
{{- .Values.directory.service.clusterIP | default (printf "%s.%s.svc" (include "fathom.directory.name" .) .Release.Namespace) -}}
{{- end -}}

{{- define "fathom.directory.address" -}}
{{- $host := include "fathom.directory.host" . -}}
{{- if contains ":" $host -}}[{{ $host }}]:10778{{- else -}}{{ $host }}:10778{{- end -}}
{{- end -}}

{{/* Names and addresses in the directory's certificate. */}}
{{- define "fathom.directory.dnsNames" -}}
{{- $name := include "fathom.directory.name" . -}}
{{- $ns := .Release.Namespace -}}
- {{ $name }}.{{ $ns }}.svc
- {{ $name }}.{{ $ns }}.svc.cluster.local
- {{ $name }}.{{ $ns }}
- {{ $name }}
{{- end -}}

{{/* An egress rule: whichever address the API server has. */}}
{{- define "fathom.apiServerEgress" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}
