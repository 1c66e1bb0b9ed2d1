// A client of the linker, loaded from its protos: nothing is generated, and nothing to be kept in step.
//
//   const linker = connect("127.0.0.1:50051");
//   const { results } = await call(linker, "LinkMentions", { mentions: [{ text: "heart attack" }] });

import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import protobuf from "protobufjs";

const PROTOS = fileURLToPath(new URL("../../protos", import.meta.url));
const { linker: { v1 } } = grpc.loadPackageDefinition(
  loadSync("linker/v1/linking_service.proto", { includeDirs: [PROTOS], keepCase: true, longs: Number, enums: String, arrays: true, oneofs: true }),
);

// google.rpc.Status and what it holds, as far as the server sends it.
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message BadRequest {
    message FieldViolation { string field = 1; string description = 2; }
    repeated FieldViolation field_violations = 1;
  }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`, { keepCase: true });

// A server that is gone is tried again, at another address where there are several.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [{
    name: ["LinkMentions", "AnnotateDocuments"].map((method) => ({ service: "linker.v1.LinkingService", method })),
    retryPolicy: {
      maxAttempts: 5, initialBackoff: "0.1s", maxBackoff: "2s", backoffMultiplier: 2, retryableStatusCodes: ["UNAVAILABLE"],
    },
  }],
};

export const { status } = grpc;

export function connect(address, credentials = grpc.credentials.createInsecure()) {
  return new v1.LinkingService(address, credentials, { "grpc.service_config": JSON.stringify(SERVICE_CONFIG) });
}

/** The response to a unary call, within `seconds`. */
export function call(client, method, request, { seconds = 30 } = {}) {
  return promisify(client[method]).call(client, request, { deadline: Date.now() + seconds * 1000 });
}

/** The details of an error, by type: `{ BadRequest: {...} }` or `{ RetryInfo: {...} }`. */
export function details(error) {
  const [packed] = error.metadata.get("grpc-status-details-bin");
  const found = packed ? root.lookupType("Status").decode(packed).details : [];
  return Object.fromEntries(found.map(({ type_url, value }) => {
    const name = type_url.split(".").at(-1);
    return [name, root.lookupType(name).decode(value)];
  }));
}
