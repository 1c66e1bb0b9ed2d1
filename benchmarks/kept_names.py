"""How many names, written into sentences as clinicians write them, the trained model keeps from being found.

    python benchmarks/kept_names.py [BUNDLE] [--names 200]

No public corpus of clinical notes has every concept marked. This asks for less: names of the bundle, drawn at random,
stand in sentences that say they are meant; names alone find them, and names and model together should.
"""

from __future__ import annotations

import argparse

import numpy as np
from machine import describe

from linker import Linker
from linker.bundles import DEFAULT
from linker.detection.choice import Detect, detector_of
from linker.terminology import Terminology

SENTENCES = (
    "Patient with a history of {} presents with shortness of breath.",
    "PMH: {}, hypertension",
    "FH: {}",
    "Dx: {}",
    "- {}\n- gout\n",
    "1. {}",
    "Denies {}.",
    "No evidence of {}.",
    "h/o {} in 2019",
    "She was treated for {} last year and has done well since.",
    "Mother had {}.",
    "?{}",
    "Antecedentes de {}.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", default=DEFAULT)
    parser.add_argument("--names", type=int, default=200)
    args = parser.parse_args()
    bundle = Linker.open(args.bundle).bundle
    names = drawn(bundle.terminology, args.names)
    by_names, by_both = (detector_of(bundle, detect=detect) for detect in (Detect.NAMES, Detect.BOTH))
    print(describe())
    print(f"{len(names):,} names, of those found by names the share that both find, whole or in a longer mention")
    kept = found = 0
    for sentence in SENTENCES:
        notes = [sentence.format(name) for name in names]
        begin = sentence.index("{}")
        wanted = [
            note
            for note, spans, name in zip(notes, by_names.detect(notes), names, strict=True)
            if any((span.begin, span.end) == (begin, begin + len(name)) for span in spans)
        ]
        still = sum(any(s.begin <= begin < s.end for s in spans) for spans in by_both.detect(wanted))
        print(f"{still:5,} of {len(wanted):5,} {still / max(len(wanted), 1):6.1%}  {sentence!r}")
        kept, found = kept + still, found + len(wanted)
    print(f"{kept:5,} of {found:5,} {kept / max(found, 1):6.1%}  together")


def drawn(terminology: Terminology, count: int) -> list[str]:
    """Names as text writes them, each of another concept: without commas, at most five words."""
    rows = np.random.default_rng(0).permutation(terminology.name_count).tolist()
    names = ((int(terminology.concept_of_name[row]), terminology.name(row)) for row in rows)
    fit = {concept: name for concept, name in names if "," not in name and len(name.split()) <= 5}
    return list(fit.values())[:count]


if __name__ == "__main__":
    main()
