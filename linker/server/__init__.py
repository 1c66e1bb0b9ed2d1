"""The gRPC server. Read `app` first, then `linking`, `batching`, `bundles` and `shield`."""
