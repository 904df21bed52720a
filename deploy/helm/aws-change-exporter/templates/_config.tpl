{{- /* The URL under which people reach the exporter, as far as the chart can know it. */ -}}
{{- define "exporter.externalUrl" -}}
{{- if and .Values.ingress.enabled .Values.ingress.host -}}
{{- printf "%s://%s" (ternary "https" "http" (ne .Values.ingress.tlsSecretName "")) .Values.ingress.host -}}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
{{- printf "https://%s" (first .Values.httpRoute.hostnames) -}}
{{- end -}}
{{- end -}}

{{- define "exporter.configFile" -}}
/etc/aws-change-exporter/config/{{ ternary .Values.configSecret.key "config.yml" (ne .Values.configSecret.name "") }}
{{- end -}}

{{- /* The configuration file: the user's, with where the store is and what the chart knows of the web. */ -}}
{{- define "exporter.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $store := $config.store | default dict -}}
{{- if eq .Values.store.type "postgresql" -}}
{{- $_ := set $store "url" .Values.store.url -}}
{{- else if not $store.path -}}
{{- $_ := set $store "path" (printf "%s/state.db" (include "exporter.directory" .)) -}}
{{- end -}}
{{- $_ := set $config "store" $store -}}
{{- $web := $config.web | default dict -}}
{{- $url := include "exporter.externalUrl" . -}}
{{- if and $url (not $web.external_url) -}}
{{- $_ := set $web "external_url" $url -}}
{{- end -}}
{{- if and .Values.web.configSecret.name .Values.probes.enabled -}}
{{- /* Probes cannot log in. */ -}}
{{- $_ := set $web "health_without_login" true -}}
{{- end -}}
{{- if $web -}}
{{- $_ := set $config "web" $web -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
