"""The gRPC server. Read `app` first, then `services`, `batching` and `shield`."""
