"""Where notes come from: a format a module, each a `linker.bulk.source.Source`."""
