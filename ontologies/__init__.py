"""Turns releases of ontologies into bundles that `linker` serves."""
