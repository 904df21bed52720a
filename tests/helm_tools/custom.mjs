// Reads manifests of custom resources as a JSON array; writes for each what is wrong with it, or null.
import { readFileSync } from "node:fs";
import * as gateway from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import * as operator from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const kinds = { ...operator, ...gateway };

function fault(manifest) {
  const Kind = kinds[manifest.kind];
  if (Kind === undefined) return `no schema of ${manifest.kind}`;
  if (Kind.apiVersion !== manifest.apiVersion) return `${manifest.apiVersion} is not ${Kind.apiVersion}`;
  try {
    new Kind(manifest).validate();
    return null;
  } catch (error) {
    return error.message;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(fault)));
