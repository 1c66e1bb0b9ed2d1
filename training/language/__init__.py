"""From a base, and ontologies with names in a language, to an evaluated and calibrated bundle for it."""
