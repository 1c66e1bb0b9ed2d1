"""`linker build`: releases of ontologies to a bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from linker.console import stderr
from ontologies.build import build as build_bundle
from ontologies.readers import read
from ontologies.readers.options import Options, Problems
from ontologies.records import Source
from ontologies.starter import ENCODER, TERMS

STARTER = "starter"


def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Files or folders to read: OBO, TSV, CSV, Parquet, FHIR ValueSet, a folder of neutral tables; "
            "or `starter` for the terms of the starter bundle.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="BUNDLE", help="Directory to make; an older bundle is replaced in one step."
        ),
    ],
    language: Annotated[
        str, typer.Option(metavar="TAG", help="Language (BCP-47) of names whose source does not say.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="Prefix for bare concept ids: MESH makes D009203 MESH:D009203.")] = "",
    encoder: Annotated[
        Path, typer.Option(metavar="DIR", help="Exported encoder, with its calibration.json if it has one.")
    ] = ENCODER,
    reranker: Annotated[Path | None, typer.Option(metavar="DIR", help="Exported cross-encoder.")] = None,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Leave out, and report, what is not as it should be, instead of refusing."),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that encode names.")] = os.cpu_count() or 1,
) -> None:
    """Build a bundle from releases of ontologies.

    The least a source needs is a TSV with a concept id and a name on each line; optional columns are language,
    term_type, semantic_type, codes, parents and definition. Several sources are joined by concept id:

      linker build starter local-terms.tsv --language en --out my-bundle
    """
    options = Options(language=language, prefix=prefix, problems=Problems(lenient=lenient))
    read_sources = [_read(source, options) for source in sources]
    built = build_bundle(
        read_sources,
        out,
        encoder=encoder,
        reranker=reranker,
        language=language,
        lenient=lenient,
        workers=workers,
    )
    skipped = f"; skipped {built.skipped_names:,} names without a letter or digit" if built.skipped_names else ""
    stderr.print(
        f"{out}: {built.concepts:,} concepts, {built.names:,} names ({built.distinct_names:,} distinct), "
        f"{built.size / 2**20:.1f} MiB{skipped}"
    )
    for problems in (options.problems, built.problems):
        _report(problems)
    if not built.fitted:
        stderr.print(
            f"warning: confidences are not calibrated for the encoder in {encoder}; fit them: linker train calibrate "
            f"--bundle {out} --corpus GOLD --out {out}-calibration --into {out} --into {encoder}",
            markup=False,
            soft_wrap=True,
        )


def _report(problems: Problems) -> None:
    for kind, count in sorted(problems.counts.items()):
        examples = problems.examples[kind]
        shown = ":" if len(examples) == count else f", the first {len(examples)} of them:"
        stderr.print(f"left out, {kind}: {count:,}{shown}", markup=False, soft_wrap=True)
        for error in examples:
            stderr.print(f"  {error}", markup=False, soft_wrap=True)


def _read(source: str, options: Options) -> Source:
    path = TERMS if source == STARTER and not Path(source).exists() else Path(source)
    return read(path, options)
