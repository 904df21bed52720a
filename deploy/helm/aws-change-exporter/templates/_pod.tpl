{{- /* The template of a pod, the same in the StatefulSet and in the Deployment. */ -}}
{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- include "exporter.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if not .Values.configSecret.name }}
    checksum/config: {{ include "exporter.config" . | sha256sum | quote }}
    {{- end }}
    kubectl.kubernetes.io/default-container: exporter
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "exporter.serviceAccountName" . | quote }}
  {{- /* It never asks Kubernetes anything. IRSA and Pod Identity bring a token of their own. */}}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - serve
        - {{ printf "--config.file=%s" (include "exporter.configFile" .) | quote }}
        - --web.listen-address=:{{ .Values.web.port }}
        {{- if .Values.web.configSecret.name }}
        - {{ printf "--web.config.file=/etc/aws-change-exporter/web/%s" .Values.web.configSecret.key | quote }}
        {{- end }}
        - --log.level={{ .Values.log.level }}
        - --log.format={{ .Values.log.format }}
      env:
        {{- include "exporter.env" . | nindent 8 }}
      ports:
        - name: http
          containerPort: {{ .Values.web.port }}
          protocol: TCP
      {{- if .Values.probes.enabled }}
      startupProbe:
        {{- include "exporter.probe" (list . "/-/healthy" .Values.probes.startup) | nindent 8 }}
      livenessProbe:
        {{- include "exporter.probe" (list . "/-/healthy" .Values.probes.liveness) | nindent 8 }}
      readinessProbe:
        {{- include "exporter.probe" (list . "/-/ready" .Values.probes.readiness) | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: config
          mountPath: /etc/aws-change-exporter/config
          readOnly: true
        {{- if .Values.web.configSecret.name }}
        - name: web
          mountPath: /etc/aws-change-exporter/web
          readOnly: true
        {{- end }}
        {{- if eq .Values.store.type "sqlite" }}
        - name: data
          mountPath: {{ include "exporter.directory" . }}
        {{- else if .Values.store.caSecret.name }}
        - name: database-ca
          mountPath: /etc/aws-change-exporter/database
          readOnly: true
        {{- end }}
        - name: tmp
          mountPath: /tmp
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      {{- if .Values.configSecret.name }}
      secret:
        secretName: {{ .Values.configSecret.name | quote }}
      {{- else }}
      configMap:
        name: {{ include "exporter.fullname" . | quote }}
      {{- end }}
    {{- if .Values.web.configSecret.name }}
    - name: web
      projected:
        sources:
          - secret:
              name: {{ .Values.web.configSecret.name | quote }}
          {{- with .Values.web.certificateSecret }}
          - secret:
              name: {{ . | quote }}
              items:
                - {key: tls.crt, path: tls.crt}
                - {key: tls.key, path: tls.key}
          {{- end }}
    {{- end }}
    {{- if eq .Values.store.type "sqlite" }}
    {{- if not .Values.persistence.enabled }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim | quote }}
    {{- end }}
    {{- else if .Values.store.caSecret.name }}
    - name: database-ca
      secret:
        secretName: {{ .Values.store.caSecret.name | quote }}
        items:
          - key: {{ .Values.store.caSecret.key | quote }}
            path: ca.crt
    {{- end }}
    {{- /* The root is read-only; SQLite sorts what is large in files. */}}
    - name: tmp
      emptyDir:
        sizeLimit: 1Gi
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if gt (int .Values.replicas) 1 }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "exporter.selectorLabels" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}

{{- define "exporter.probe" -}}
{{- $root := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  {{- if $root.Values.web.tls }}
  scheme: HTTPS
  {{- end }}
{{ toYaml (index . 2) }}
{{- end -}}

{{- define "exporter.env" -}}
{{- /* For the commands that people run beside it: `kubectl exec … -- aws-change-exporter history sg-…`. */ -}}
- name: AWS_CHANGE_EXPORTER_CONFIG
  value: {{ include "exporter.configFile" . | quote }}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . }}
{{- end }}
{{- with .Values.aws.credentialsSecret }}
{{- if .name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .name | quote }}, key: {{ .accessKeyIdKey | quote }}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .name | quote }}, key: {{ .secretAccessKeyKey | quote }}}
{{- if .sessionTokenKey }}
- name: AWS_SESSION_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .name | quote }}, key: {{ .sessionTokenKey | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .Values.store.type "postgresql" }}
{{- with .Values.store.passwordSecret }}
{{- if .name }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}
{{- end }}
{{- end }}
- name: PGSSLMODE
  value: {{ .Values.store.sslMode }}
{{- if .Values.store.caSecret.name }}
- name: PGSSLROOTCERT
  value: /etc/aws-change-exporter/database/ca.crt
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
