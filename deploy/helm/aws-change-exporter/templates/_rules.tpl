{{- /* The generated rules, with what config.alerts says of links, labels, severities and alerts to leave out. */ -}}
{{- define "exporter.ruleGroups" -}}
{{- $settings := .Values.config.alerts | default dict -}}
{{- $groups := list -}}
{{- range $group := (fromYaml (.Files.Get "files/rules.yaml")).groups -}}
{{- $rules := list -}}
{{- range $rule := $group.rules -}}
{{- if not (has $rule.alert ($settings.disabled | default list)) -}}
{{- if $rule.alert -}}
{{- $_ := set $rule.labels "severity" (get ($settings.severities | default dict) $rule.alert | default $rule.labels.severity) -}}
{{- $_ := set $rule "labels" (merge $rule.labels ($settings.labels | default dict)) -}}
{{- with $settings.runbook_url -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" .) (base $rule.annotations.runbook_url)) -}}
{{- end -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}
{{- $groups = append $groups (dict "name" $group.name "rules" $rules) -}}
{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
