"""The stop list: single words that are names and yet say little, learned from two frequencies that a bundle has.

Of words in its names. In MEDIC "disease" is a name, and one name in ten has the word in it; in SNOMED CT "left" and
"of" are. A word that so many names use tells little, and as a name of its own it would be found in every note. A bundle
of Spanish names learns Spanish words.

Of words in text. The vocabulary of an encoder is ordered by their frequency in what its tokenizer was trained on, so
that "was" and "all" come first: as names (Wiskott-Aldrich syndrome, acute lymphocytic leukemia) they have to stand in
capitals. No list has to be picked, licensed or kept, and an encoder for other languages brings their words.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

SHARE = 0.01  # of the names; chosen on the training parts of the NCBI disease and BC5CDR corpora
_FEWEST = 20  # names with the word, so that a bundle of a hundred names loses none
_COMMON = 1000  # words of a vocabulary; chosen on the same texts
_BEGINNINGS = "\u2581\u0120"  # what SentencePiece and byte-level tokenizers write where a word begins
_SAMPLE = 1 << 16  # names counted, spread evenly: the same time and memory for any bundle


def generic_words(forms: pa.Array, *, share: float = SHARE) -> frozenset[str]:
    """Words that stand in more than this share of normalised names, and in 20 of those counted at least."""
    rows = np.linspace(0, max(len(forms) - 1, 0), min(len(forms), _SAMPLE), dtype=np.int64)
    counts = pc.value_counts(pc.split_pattern(forms.take(pa.array(rows)), " ").flatten())
    frequent = pc.greater(counts.field("counts"), max(_FEWEST, share * len(rows)))
    return frozenset(counts.field("values").filter(frequent).to_pylist())


def common_words(tokenizer: Tokenizer, *, count: int = _COMMON) -> frozenset[str]:
    """The most frequent words of a vocabulary, in small letters."""
    by_frequency = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    words = (piece.lstrip(_BEGINNINGS).lower() for piece, _ in by_frequency)
    return frozenset(list(dict.fromkeys(word for word in words if len(word) > 1 and word.isalpha()))[:count])
