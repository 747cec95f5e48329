{{- define "livepass.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "livepass.labels" -}}
app.kubernetes.io/name: livepass
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end -}}

{{/* What tells the pods of one part from those of another: (dict "root" $ "part" "web") */}}
{{- define "livepass.selector" -}}
app.kubernetes.io/name: livepass
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{/* What every pod is allowed: nothing. */}}
{{- define "livepass.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  - name: secrets
    secret:
      secretName: {{ .Values.existingSecret }}
      defaultMode: 0440
{{- end -}}

{{/* Image, settings and what the container is allowed. */}}
{{- define "livepass.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
# Not the image's own entrypoint: the database is brought up to date by a Job of its own.
command: [livepass]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /run/livepass, readOnly: true}
env:
  - {name: LIVEPASS_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
  - {name: LIVEPASS_DATABASE_URL_FILE, value: /run/livepass/database-url}
  - {name: LIVEPASS_SECRET_KEY_FILE, value: /run/livepass/secret-key}
  - name: LIVEPASS_ADMIN_KEY
    valueFrom:
      secretKeyRef: {name: {{ .Values.existingSecret }}, key: admin-key, optional: true}
  {{- range $name, $value := .Values.settings }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
{{- end -}}

{{- define "livepass.placed" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
