// Reads a JSON list of custom resources, and answers a list of what is wrong with each: "" where nothing is.
import { Certificate, ClusterIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/index";
import { ExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/index";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/index";
import { text } from "node:stream/consumers";

const kinds = { Certificate, ClusterIssuer, ExternalSecret, HTTPRoute };
const things = JSON.parse(await text(process.stdin));
const verdicts = things.map((thing) => {
  const Kind = kinds[thing.kind];
  if (!Kind || Kind.apiVersion !== thing.apiVersion) return `no validator for ${thing.apiVersion} ${thing.kind}`;
  try {
    new Kind(thing).validate();
    return "";
  } catch (error) {
    return String(error.message);
  }
});
process.stdout.write(JSON.stringify(verdicts));
