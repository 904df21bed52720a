{{- /* Values that no schema can refuse, because they are wrong only together; each with a sentence that says why and what to do. */ -}}
{{- define "exporter.refusals" -}}
{{- $store := .Values.store -}}
{{- $own := .Values.config.store | default dict -}}
{{- $published := or .Values.ingress.enabled .Values.httpRoute.enabled (ne .Values.service.type "ClusterIP") -}}
{{- if and $own.path (or $store.url $own.url (eq $store.type "postgresql")) -}}
{{- fail "config.store.path names a SQLite file, and a PostgreSQL is named too: a store is one or the other; remove one of them." -}}
{{- end -}}
{{- if $own.url -}}
{{- fail "config.store.url is the chart's to set: write it as store.url, with store.type: postgresql, and its password into store.passwordSecret." -}}
{{- end -}}
{{- if eq $store.type "sqlite" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail (printf "replicas is %d, but each pod would have a SQLite file of its own and count every change again: set replicas: 1, or store.type: postgresql." (int .Values.replicas)) -}}
{{- end -}}
{{- if $store.url -}}
{{- fail "store.url is given, but store.type is sqlite: set store.type: postgresql, or remove store.url." -}}
{{- end -}}
{{- if $store.passwordSecret.name -}}
{{- fail "store.passwordSecret is given, but store.type is sqlite, which has no password: set store.type: postgresql, or remove it." -}}
{{- end -}}
{{- if and $own.path (not (regexMatch (printf "^%s/[^/]+$" (include "exporter.directory" .)) $own.path)) -}}
{{- fail (printf "config.store.path %s lies on no volume: choose a file in %s, or leave it out." $own.path (include "exporter.directory" .)) -}}
{{- end -}}
{{- else -}}
{{- if and (not $store.url) (not .Values.configSecret.name) -}}
{{- fail "store.type is postgresql, but store.url is empty: write it as postgresql://user@host:5432/database, without the password." -}}
{{- end -}}
{{- if and $store.url .Values.configSecret.name -}}
{{- fail "store.url and configSecret.name are both given, but the chart cannot write into that Secret: let its file say store.url, and remove it here." -}}
{{- end -}}
{{- if regexMatch "^[a-z]+://[^@/?]*:[^@/?]*@" $store.url -}}
{{- fail "store.url holds a password, which everybody who may read ConfigMaps would see: put it into a Secret and name that in store.passwordSecret." -}}
{{- end -}}
{{- if regexMatch "[?&](password|passfile|sslpassword)=" $store.url -}}
{{- fail "store.url holds a password among its parameters, which everybody who may read ConfigMaps would see: name a Secret in store.passwordSecret." -}}
{{- end -}}
{{- if .Values.persistence.existingClaim -}}
{{- fail "persistence.existingClaim is given, but store.type is postgresql, which keeps nothing in the pod: remove it, or set store.type: sqlite." -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "verify-" $store.sslMode) (eq $store.type "postgresql") (not $store.caSecret.name) -}}
{{- fail (printf "store.sslMode is %s, but no authority is named to verify the database by: name a Secret in store.caSecret." $store.sslMode) -}}
{{- end -}}
{{- if and .Values.config .Values.configSecret.name -}}
{{- fail "config and configSecret.name are both given, but the exporter reads one file: move config into that Secret, or remove configSecret.name." -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim (not .Values.persistence.enabled) -}}
{{- fail "persistence.existingClaim is given, but persistence.enabled is false: remove one of them." -}}
{{- end -}}
{{- if and .Values.serviceAccount.irsaRoleArn .Values.aws.credentialsSecret.name -}}
{{- fail "serviceAccount.irsaRoleArn and aws.credentialsSecret are both given, and the key would win: remove aws.credentialsSecret." -}}
{{- end -}}
{{- if and .Values.serviceAccount.irsaRoleArn (not .Values.serviceAccount.create) -}}
{{- fail "serviceAccount.irsaRoleArn is an annotation of a service account that the chart does not make: annotate yours, or set serviceAccount.create: true." -}}
{{- end -}}
{{- if and .Values.web.tls (not .Values.web.configSecret.name) -}}
{{- fail "web.tls is true, but no file makes the exporter speak TLS: name a Secret in web.configSecret." -}}
{{- end -}}
{{- if and .Values.web.certificateSecret (not .Values.web.configSecret.name) -}}
{{- fail "web.certificateSecret is given, but no file says to use it: name a Secret in web.configSecret whose file has tls_server_config." -}}
{{- end -}}
{{- if and .Values.web.configSecret.name .Values.probes.enabled (hasKey (.Values.config.web | default dict) "health_without_login") -}}
{{- if not .Values.config.web.health_without_login -}}
{{- fail "config.web.health_without_login is false, but probes cannot log in, and every pod would be killed: remove it, or set probes.enabled: false." -}}
{{- end -}}
{{- end -}}
{{- if and $published (not .Values.web.configSecret.name) (not .Values.web.loginElsewhere) -}}
{{- fail "the history would be published without a login, to whoever reaches the host: name a Secret with logins in web.configSecret (docs/web-security.md), or set web.loginElsewhere: true where something in front asks for one." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.enabled is true, but ingress.host is empty: it would answer for every host of the controller." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled is true, but httpRoute.parentRefs is empty: a route without a gateway is never served." -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" (include "exporter.fullname" .)) -}}
{{- fail (printf "the name %s does not begin with a letter, as that of a service must: set fullnameOverride." (include "exporter.fullname" .)) -}}
{{- end -}}
{{- range $where, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels "service.labels" .Values.service.labels -}}
{{- range $name := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
{{- if hasKey $labels $name -}}
{{- fail (printf "%s sets %s, by which the chart finds its own: choose another label." $where $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $monitor := dict "serviceMonitor" .Values.serviceMonitor "podMonitor" .Values.podMonitor -}}
{{- if $monitor.enabled -}}
{{- include "exporter.monitorRefusals" (list $ $name $monitor) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor and podMonitor are both enabled: every pod would be scraped twice; choose one." -}}
{{- end -}}
{{- $alerts := .Values.config.alerts | default dict -}}
{{- if and .Values.prometheusRule.enabled (not .Values.prometheusRule.groups) (or $alerts.thresholds $alerts.exporter_job) -}}
{{- fail "config.alerts sets thresholds or exporter_job, which change expressions that the chart only copies: print the rules with `aws-change-exporter rules --format prometheusrule --config.file FILE`, and give their spec.groups as prometheusRule.groups." -}}
{{- end -}}
{{- end -}}

{{- define "exporter.monitorRefusals" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $monitor := index . 2 -}}
{{- $interval := int (include "exporter.seconds" $monitor.interval) -}}
{{- if gt (int (include "exporter.seconds" $monitor.scrapeTimeout)) $interval -}}
{{- fail (printf "%s.scrapeTimeout %s is longer than its interval %s, which Prometheus refuses: shorten it." $name $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- $hold := toString (($root.Values.config.metrics | default dict).birth_hold | default "2m") -}}
{{- if and (regexMatch "^([0-9]+(s|m|h|d|w))+$" $hold) (not $root.Values.configSecret.name) -}}
{{- if gt (mul 2 $interval) (int (include "exporter.seconds" $hold) | int64) -}}
{{- fail (printf "%s.interval is %s, but a new counter is shown at 0 for %s only, and Prometheus would miss the first change of each group: set config.metrics.birth_hold to %ds or more." $name $monitor.interval $hold (mul 2 $interval)) -}}
{{- end -}}
{{- end -}}
{{- if and $root.Values.web.tls (not $monitor.tlsConfig) -}}
{{- fail (printf "web.tls is true, but %s.tlsConfig is empty: Prometheus connects to an address, which no certificate names; give it serverName and ca." $name) -}}
{{- end -}}
{{- end -}}

{{- /* The seconds of a duration such as 1m30s. */ -}}
{{- define "exporter.seconds" -}}
{{- $seconds := 0 -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 "w" 604800 -}}
{{- range regexFindAll "[0-9]+[smhdw]" . -1 -}}
{{- $seconds = add $seconds (mul (regexFind "^[0-9]+" .) (get $units (regexFind "[a-z]$" .))) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}
