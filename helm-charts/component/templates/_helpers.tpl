{{- define "component.labels" -}}
app.kubernetes.io/name: {{ .root.Values.component | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/part-of: data-mill
{{- with .root.Values.version }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{ include "component.selector" . }}
data-mill.io/platform: {{ .root.Values.platform | default .root.Release.Namespace | quote }}
{{- end }}

{{- define "component.selector" -}}
data-mill.io/component: {{ .root.Values.component | quote }}
data-mill.io/service: {{ .service | quote }}
{{- end }}

{{- define "component.container" -}}
image: {{ .root.Values.image.reference | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
{{- range .item.environment }}
  - name: {{ .name }}
{{- if .key }}
    valueFrom: {secretKeyRef: {name: {{ $.item.secret }}, key: {{ .key | quote }}}}
{{- else }}
    value: {{ .value | quote }}
{{- end }}
{{- end }}
resources:
  requests: {cpu: {{ .item.cpu | default "25m" | quote }}, memory: {{ .item.memory | quote }}}
  limits: {memory: {{ .item.memoryLimit | default .item.memory | quote }}}
volumeMounts:
  - {name: data, mountPath: /data-mill/data}
  - {name: scratch, mountPath: /data-mill/config, subPath: config}
  - {name: scratch, mountPath: /data-mill/run, subPath: run}
  - {name: scratch, mountPath: /data-mill/log, subPath: log}
  - {name: scratch, mountPath: /tmp, subPath: tmp}
  - {name: scratch, mountPath: /var/tmp, subPath: var-tmp}
  - {name: config, mountPath: /data-mill/in/config, readOnly: true}
{{- if .item.dataFolder }}
  - {name: data-folder, mountPath: /data, readOnly: true}
{{- end }}
{{- if .item.secret }}
  - {name: secret, mountPath: /data-mill/in/secret, readOnly: true}
{{- end }}
{{- end }}
