"""What the language of a note is worth: how well it is detected, what the triggers of other languages do to a note.

    python benchmarks/languages.py en=CORPUS.jsonl.xz es=CORPUS.jsonl.xz ... [--bundle BUNDLE]

Of each corpus the language is known. Detection: of snippets of its notes. Triggers: gold mentions of which those of
several languages together say something else than those of the note's language alone. With a bundle of several
languages: what is found by all of its names, and by those of the note's language alone, as `benchmarks/detection.py`
counts it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from detection import tallies

from linker import ConceptFilter, Linker, Options, RerankMode
from linker.annotation import Annotator
from linker.assertion import Triggers
from linker.corpus import GoldNote, read_notes
from linker.detection.dictionary import DictionaryDetector
from linker.language import UNDETERMINED, LanguageDetector
from linker.rules import TRIGGERS

_STEP = 1511  # characters from one snippet to the next
_LENGTHS = (10, 20, 40, 100, 200)
_JOINED = (("en", "es"), ("de", "en", "es", "fr"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", metavar="LANGUAGE=CORPUS")
    parser.add_argument("--bundle", help="with names in several languages")
    args = parser.parse_args()
    given = [text.split("=", 1) for text in args.corpora]
    corpora = [(language, path, list(read_notes(Path(path)))) for language, path in given]
    tell_detection([(language, note.text) for language, _, notes in corpora for note in notes])
    for language, path, notes in corpora:
        print(f"\n{path}, {language}")
        for joined in _JOINED:
            changed, mentions = misread(language, notes, joined)
            print(f"  triggers of {', '.join(joined)}: {changed} of {mentions:,} gold mentions read otherwise")
    if args.bundle:
        linker = Linker.open(args.bundle, workers=1)
        for language, path, notes in corpora:
            tell_names(linker, language, path, notes)


def tell_detection(texts: Sequence[tuple[str, str]]) -> None:
    detector = LanguageDetector(Triggers().languages)
    for length in _LENGTHS:
        answers = Counter(
            {language: "right", UNDETERMINED: "in doubt"}.get(detector.detect(text[begin : begin + length]), "wrong")
            for language, text in texts
            for begin in range(0, max(1, len(text) - length), _STEP)
        )
        print(f"{length} characters: {answers.total():,} snippets, {dict(answers)}")


def misread(language: str, notes: Sequence[GoldNote], joined: Sequence[str]) -> tuple[int, int]:
    together = Triggers([path for path in TRIGGERS if path.stem in joined])
    alone = Triggers()
    changed = mentions = 0
    for note in notes:
        spans = {(part.begin, part.end) for mention in note.mentions for part in mention.parts}
        places = sorted((begin, end) for begin, end in spans if begin is not None and end is not None)
        said = zip(together.assertions(note.text, places), alone.assertions(note.text, places, language), strict=True)
        changed, mentions = changed + sum(one != other for one, other in said), mentions + len(places)
    return changed, mentions


def tell_names(linker: Linker, language: str, path: str, notes: Sequence[GoldNote]) -> None:
    print(f"\n{path}: found, then precision, recall, F1 of strict spans, relaxed, end to end, by note")
    for names in ("", language):
        wanted = ConceptFilter(languages=frozenset(filter(None, [names])))
        annotator = Restricted(linker, DictionaryDetector.of(linker.bundle, wanted=wanted))
        options = Options(top_k=1, rerank=RerankMode.NEVER)
        annotated = [note for gold in notes for note in annotator.annotate([gold.text], options)]
        found = sum(len(note.mentions) for note in annotated)
        print(f"  names in {names or 'all languages'}: {found:,}", *map(str, tallies(notes, annotated)), sep="  ")


class Restricted(Annotator):
    """Finds mentions by some names, and links them to any."""

    def __init__(self, linker: Linker, names: DictionaryDetector) -> None:
        super().__init__(linker)
        self._names = lambda _: names


if __name__ == "__main__":
    main()
