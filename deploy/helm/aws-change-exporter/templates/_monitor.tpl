{{- /* One endpoint of a ServiceMonitor or PodMonitor. */ -}}
{{- define "exporter.endpoint" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
- port: http
  path: /metrics
  scheme: {{ ternary "https" "http" $root.Values.web.tls }}
  interval: {{ $monitor.interval }}
  scrapeTimeout: {{ $monitor.scrapeTimeout }}
  {{- /* region and account_id are AWS's words: a target label of that name must not replace them. */}}
  honorLabels: true
  {{- range $name := list "basicAuth" "tlsConfig" "relabelings" "metricRelabelings" }}
  {{- with index $monitor $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}
