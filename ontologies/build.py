"""From sources to a published bundle: collect, encode, index, write, publish."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from linker.console import progress
from linker.decision import FILE as CALIBRATION
from linker.decision import UNFITTED, Calibration, read_calibration
from linker.encoding import OnnxEncoder
from linker.inference import FILES as MODEL_FILES
from linker.inference import read_config
from linker.manifest import MANIFEST, IndexEntry, Manifest, ModelEntry, file_entry, model_digest
from linker.publishing import publish
from linker.records import Embeddings
from linker.retrieval import KIND, add_embeddings, index_scale, new_index, write_index
from linker.terminology import write_table
from ontologies.collecting import Tables, collect
from ontologies.errors import BuildError
from ontologies.records import Source

SLICE = 4096  # texts encoded between two steps of the progress bar: enough to fill batches of one length


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made. fitted: the encoder came with a calibration."""

    concepts: int
    names: int
    distinct_names: int
    skipped_names: int
    size: int
    fitted: bool


def build(
    sources: Sequence[Source],
    out: Path,
    *,
    encoder: Path,
    reranker: Path | None = None,
    language: str = "",
    lenient: bool = False,
    workers: int = 1,
) -> Built:
    """Make the bundle `out` from `sources`, replacing an older one there in one step.

    encoder, reranker: directories with model.onnx, tokenizer.json and config.json. An encoder without calibration.json
    gets `UNFITTED`. lenient: drop parents that no source defines.

    Raises `SourceError`, `BuildError`, or `BundleCorrupt` for a calibration.json that is none; the older bundle is then
    untouched.
    """
    _check_target(out)
    for model in filter(None, (encoder, reranker)):
        _check_model(model)
    fitted = (encoder / CALIBRATION).is_file()
    calibration = read_calibration(encoder / CALIBRATION) if fitted else UNFITTED
    tables = collect(sources, language=language, lenient=lenient)
    try:
        with publish(out) as staging:
            _copy_models(encoder, reranker, calibration, staging)
            distinct, scale = _write_index(tables, staging, workers)
            _write_tables(tables, staging)
            manifest = _manifest(tables, staging, distinct=distinct, scale=scale, reranked=reranker is not None)
            (staging / MANIFEST).write_bytes(manifest.to_json())
    except (OSError, RuntimeError) as error:  # FAISS reports a failed write as RuntimeError
        raise BuildError(f"{out}: cannot write the bundle: {error}") from error
    size = sum(entry.size for entry in manifest.files.values())
    return Built(len(tables.concepts), len(tables.names), distinct, tables.skipped, size, fitted)


def _check_target(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise BuildError(f"{out}: exists and is not a bundle; choose another --out or move it away")


def _check_model(directory: Path) -> None:
    if missing := [name for name in MODEL_FILES if not (directory / name).is_file()]:
        raise BuildError(f"{directory}: expected a model that `linker export` wrote, and it has no {missing[0]}")


def _copy_models(encoder: Path, reranker: Path | None, calibration: Calibration, staging: Path) -> None:
    (staging / CALIBRATION).write_bytes(calibration.to_json())
    for name, directory in (("encoder", encoder), ("reranker", reranker)):
        if directory is not None:
            (staging / name).mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(directory / file, staging / name / file)


def _write_index(tables: Tables, staging: Path, workers: int) -> tuple[int, float]:
    """Encode every distinct name once, and write one vector a name; how many were distinct, and the index's scale."""
    distinct = {text: row for row, text in enumerate(dict.fromkeys(tables.normalised))}
    encoder = OnnxEncoder(staging / "encoder", workers=workers)
    embeddings = _encode(encoder, list(distinct))
    scale = index_scale(float(np.abs(embeddings).max()))
    index = new_index(encoder.dimension)
    rows = np.fromiter((distinct[text] for text in tables.normalised), dtype=np.int64, count=len(tables.normalised))
    for start in range(0, len(rows), SLICE):
        add_embeddings(index, embeddings[rows[start : start + SLICE]], scale)
    write_index(index, staging / "index.faiss")
    return len(distinct), scale


def _encode(encoder: OnnxEncoder, texts: list[str]) -> Embeddings:
    # Names of one length side by side, so that a slice fills its batches; the slices in any order, so that the rate,
    # and with it the time left, is steady.
    order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    starts = list(range(0, len(order), SLICE))
    random.Random(0).shuffle(starts)  # noqa: S311 - no secret
    embeddings = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    with progress("Encoding names", len(texts), "names") as advance:
        for start in starts:
            chosen = order[start : start + SLICE]
            embeddings[chosen], _ = encoder.encode([texts[row] for row in chosen], progress=advance)
    return embeddings


def _write_tables(tables: Tables, staging: Path) -> None:
    write_table(tables.concepts, staging / "concepts.arrow")
    write_table(tables.names, staging / "names.arrow")
    write_table(tables.crosswalk, staging / "crosswalk.arrow")
    write_table(tables.exact, staging / "exact.arrow")


def _manifest(tables: Tables, staging: Path, *, distinct: int, scale: float, reranked: bool) -> Manifest:
    files = {
        path.relative_to(staging).as_posix(): file_entry(path) for path in sorted(staging.rglob("*")) if path.is_file()
    }
    encoder = _model(staging, "encoder", files)
    return Manifest(
        releases=tuple(asdict(release) for release in tables.releases),
        counts={
            "concepts": len(tables.concepts),
            "names": len(tables.names),
            "distinct_names": distinct,
            "codes": len(tables.crosswalk),
            **{f"codes_{k}": n for k, n in sorted(Counter(tables.crosswalk["system"].to_pylist()).items())},
        },
        languages=tables.languages(),
        encoder=encoder,
        index=IndexEntry(KIND, encoder.digest, encoder.dimension or 0, len(tables.names), scale),
        reranker=_model(staging, "reranker", files) if reranked else None,
        files=files,
        created_by=f"medlinker {version('medlinker')}",
    )


def _model(staging: Path, directory: str, files: dict) -> ModelEntry:  # type: ignore[type-arg]
    config = read_config(staging / directory)
    dimension = config.get("dimension")
    return ModelEntry(
        name=str(config.get("name", "")),
        digest=model_digest(files, directory),
        dimension=int(str(dimension)) if dimension is not None else None,
    )
