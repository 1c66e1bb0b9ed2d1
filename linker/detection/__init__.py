"""Detection: from notes to mentions. Every way to find them is a `Detector`, and `Union` joins several."""
