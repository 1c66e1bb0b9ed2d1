"""What each perturbation of training names is worth: acc@1 on mentions perturbed so, trained with and without it.

    python benchmarks/augmentation.py --base FOLDER --source mondo.tsv --corpus dev.jsonl --ontology medic --out FOLDER

The same number of pairs each time: once synonyms alone, then for each perturbation synonyms and names perturbed in that
one way. Scored as training scores (`training.dev`), against a part of the dictionary, on the mentions that the
perturbation changes; beside it the figure on all mentions as they are. A perturbation earns its place where "with" is
above "without" and the clean figure does not fall.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import machine

from linker.corpus import GoldMention, read_corpus
from linker.perturbation import PERTURBATIONS, perturb
from linker.records import Embeddings
from training.bases import embed, load_base
from training.biencoder import BiencoderRecipe, train_biencoder
from training.dev import DevOptions, DevSet, prepare
from training.dictionary import Ontology
from training.pairs import PairOptions
from training.recipes import Schedule
from training.trainer import use_bf16

CLEAN = "as written"
SYNONYMS = "synonyms alone"


class Scorer:
    """acc@1 of a model on the mentions as they are and under each perturbation."""

    def __init__(self, base: str, corpus: Path, prefix: str, ontology: Ontology, out: Path) -> None:
        self._bf16 = use_bf16("auto")
        model = load_base(base)

        @cache
        def once(texts: tuple[str, ...], what: str) -> Embeddings:  # every dev set has the same dictionary
            return embed(model, texts, bf16=self._bf16, what=what)

        mentions = [m for m in read_corpus(corpus, prefix=prefix) if m.gold and len(m.parts) == 1]
        options = [
            DevOptions(name=name, corpus=str(path), ontology=ontology) for name, path in written(mentions, out).items()
        ]
        self.devs: list[DevSet] = prepare(options, out, lambda texts, what: once(tuple(texts), what), seed=13)

    def __call__(self, folder: str) -> Mapping[str, float]:
        texts = sorted({text for dev in self.devs for text in (*dev.names, *dev.queries)})
        rows = {text: row for row, text in enumerate(texts)}
        vectors = embed(load_base(folder), texts, bf16=self._bf16, what="Embedding dev")
        return {dev.name: dev.accuracy(lambda wanted, _: vectors[[rows[text] for text in wanted]]) for dev in self.devs}


def written(mentions: Sequence[GoldMention], out: Path) -> dict[str, Path]:
    """The mentions as they are and under each perturbation that changes any, as corpora in `out`."""
    paths = {}
    for name in (CLEAN, *PERTURBATIONS):
        texts = [m.parts[0].text if name == CLEAN else perturb(name, m.parts[0].text, 0) for m in mentions]
        rows = [
            {"doc_id": m.note_id, "text": None, "mentions": [{"mention": text, "gold": sorted(m.gold)}]}
            for m, text in zip(mentions, texts, strict=True)
            if text
        ]
        if rows:
            paths[name] = out / f"{name.replace(' ', '-')}.jsonl"
            paths[name].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, help="a model folder or the name of a model on the hub")
    parser.add_argument("--source", action="append", required=True, help="ontologies whose names are learned")
    parser.add_argument("--corpus", required=True, type=Path, help="gold mentions, as for linker evaluate")
    parser.add_argument("--prefix", default="", help="vocabulary of bare gold ids")
    parser.add_argument("--ontology", required=True, help="a release or bundle that the mentions are linked to")
    parser.add_argument("--pairs", type=int, default=6400)
    parser.add_argument("--out", required=True, type=Path, help="a new folder for runs and the table")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    scored = Scorer(options.base, options.corpus, options.prefix, Ontology(path=options.ontology), options.out)
    before = scored(options.base)

    def trained(name: str, augmentation: dict[str, float]) -> Mapping[str, float]:
        recipe = BiencoderRecipe(
            base=options.base,
            max_length=20,
            source=tuple(Ontology(path=path) for path in options.source),
            pairs=PairOptions(per_concept=1, limit=options.pairs, augmentation=augmentation),
            schedule=Schedule(batch_size=128, learning_rate=1e-4),
        )
        train_biencoder(recipe, options.out / name.replace(" ", "-"))
        return scored(str(options.out / name.replace(" ", "-") / "best"))

    without = trained(SYNONYMS, {})
    lines = [
        f"{options.pairs:,} pairs; acc@1 on {options.corpus.parent.name}; {machine.describe()}",
        "",
        "| perturbation | mentions it changes | base | synonyms alone | with it | all as written, with it |",
        "|---|---:|---:|---:|---:|---:|",
        f"| none | {scored.devs[0].mentions:,} | {before[CLEAN]:.4f} | {without[CLEAN]:.4f} | | {without[CLEAN]:.4f} |",
    ]
    for dev in scored.devs[1:]:
        after = trained(dev.name, {dev.name: 1.0})
        figures = " | ".join(f"{value:.4f}" for value in (before[dev.name], without[dev.name], after[dev.name]))
        lines.append(f"| {dev.name} | {dev.mentions:,} | {figures} | {after[CLEAN]:.4f} |")
        (options.out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
