"""Where coded notes go: a format a module, each a `linker.bulk.sink.Sink`."""
