{{- define "fathom.agent.env" -}}
- {name: FATHOM_WEB_LISTEN_ADDRESS, value: ":{{ .Values.agent.port }}"}
{{- if .Values.agent.web.configSecret }}
- {name: FATHOM_WEB_CONFIG_FILE, value: /etc/fathom/web/web.yml}
{{- end }}
{{- if .Values.agent.settings }}
- {name: FATHOM_CONFIG, value: /etc/fathom/settings/fathom.yaml}
{{- end }}
{{- if .Values.agent.tls.enabled }}
- {name: FATHOM_TLS, value: "true"}
{{- end }}
- {name: FATHOM_KUBERNETES, value: "on"}
- name: FATHOM_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: FATHOM_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- {name: FATHOM_CGROUP_ROOT, value: /host/sys/fs/cgroup}
{{- if .Values.directory.enabled }}
- {name: FATHOM_DIRECTORY_ADDRESS, value: {{ include "fathom.directory.address" . | quote }}}
- {name: FATHOM_DIRECTORY_CA_FILE, value: /var/run/fathom/directory/ca.crt}
{{- if .Values.directory.clientCertificateSecret }}
- {name: FATHOM_DIRECTORY_CERT_FILE, value: /var/run/fathom/client/tls.crt}
- {name: FATHOM_DIRECTORY_KEY_FILE, value: /var/run/fathom/client/tls.key}
{{- else }}
- {name: FATHOM_DIRECTORY_TOKEN_FILE, value: /var/run/fathom/directory/token}
{{- end }}
{{- end }}
{{- with .Values.agent.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Arguments: the root, the path. */}}
{{- define "fathom.agent.probe" -}}
{{- $web := (index . 0).Values.agent.web -}}
httpGet:
  path: {{ index . 1 }}
  port: metrics
  scheme: {{ $web.scheme }}
  {{- with $web.probeHeaders }}
  httpHeaders:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Also what is mounted below is read-only, where Kubernetes can do that: version 1 beside version 2 has the
     hierarchies below. */}}
{{- define "fathom.readOnly" -}}
readOnly: true
{{- if semverCompare ">=1.31.0-0" .Capabilities.KubeVersion.Version }}
recursiveReadOnly: IfPossible
{{- end }}
{{- end -}}

{{- define "fathom.agent.mounts" -}}
# The names of cgroups tell pods and containers apart.
- name: cgroup
  mountPath: /host/sys/fs/cgroup
  {{- include "fathom.readOnly" . | nindent 2 }}
{{- if ne .Values.agent.tracefs "none" }}
# The numbers of tracepoints stand there.
- name: tracefs
  mountPath: /sys/kernel/tracing
  {{- if eq .Values.agent.tracefs "writable" }}
  readOnly: false
  {{- else }}
  {{- include "fathom.readOnly" . | nindent 2 }}
  {{- end }}
{{- end }}
{{- if .Values.directory.enabled }}
- {name: directory, mountPath: /var/run/fathom/directory, readOnly: true}
{{- if .Values.directory.clientCertificateSecret }}
- {name: client, mountPath: /var/run/fathom/client, readOnly: true}
{{- end }}
{{- end }}
{{- if .Values.agent.settings }}
- {name: settings, mountPath: /etc/fathom/settings, readOnly: true}
{{- end }}
{{- if .Values.agent.web.configSecret }}
- {name: web, mountPath: /etc/fathom/web, readOnly: true}
{{- end }}
{{- with .Values.agent.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "fathom.agent.volumes" -}}
- name: cgroup
  hostPath: {path: /sys/fs/cgroup, type: Directory}
{{- if ne .Values.agent.tracefs "none" }}
- name: tracefs
  hostPath: {path: /sys/kernel/tracing, type: Directory}
{{- end }}
{{- if .Values.directory.enabled }}
- name: directory
  projected:
    sources:
      # Optional: without it the agent starts, and goes on trying to reach the directory.
      - secret:
          name: {{ include "fathom.directory.secret" . }}
          items: [{key: ca.crt, path: ca.crt}]
          optional: true
      {{- if not .Values.directory.clientCertificateSecret }}
      - serviceAccountToken: {path: token, audience: fathom-directory, expirationSeconds: 3600}
      {{- end }}
{{- with .Values.directory.clientCertificateSecret }}
- name: client
  secret:
    secretName: {{ . }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
    defaultMode: 0400
{{- end }}
{{- end }}
{{- if .Values.agent.settings }}
- name: settings
  configMap:
    name: {{ include "fathom.agent.name" . }}
{{- end }}
{{- with .Values.agent.web.configSecret }}
- name: web
  secret:
    secretName: {{ . }}
    defaultMode: 0400
{{- end }}
{{- with .Values.agent.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
