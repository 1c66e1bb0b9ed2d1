"""From sources to a published bundle: collect, encode, index, write, publish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from linker.decision import FILE as CALIBRATION
from linker.decision import UNFITTED, Calibration, read_calibration
from linker.encoding import OnnxEncoder
from linker.inference import FILES as MODEL_FILES
from linker.inference import read_config
from linker.manifest import MANIFEST, FileEntry, IndexEntry, Manifest, ModelEntry, file_entry, model_digest
from linker.publishing import publish
from linker.retrieval import KIND, add_embeddings, index_scale, new_index, write_index
from linker.terminology import TABLES
from ontologies.changes import FILE as CHANGES
from ontologies.changes import Changes, write_changes
from ontologies.collecting import Tables, collect
from ontologies.embedding import DistinctNames, embed
from ontologies.errors import BuildError
from ontologies.joining import Joined
from ontologies.readers.options import Problems
from ontologies.records import Source
from ontologies.updating import OlderBundle, changed_releases, keep_redirects, open_older, remembering
from ontologies.working import KEPT, work_folder


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made. fitted: the encoder came with a calibration. problems: what a lenient build left out.

    joined: what was left out of any build, and which concepts became one.
    """

    concepts: int
    names: int
    distinct_names: int
    skipped_names: int
    size: int
    fitted: bool
    problems: Problems
    joined: Joined


def build(
    sources: Sequence[Source],
    out: Path,
    *,
    encoder: Path,
    reranker: Path | None = None,
    language: str = "",
    lenient: bool = False,
    merge: bool = False,
    workers: int = 1,
) -> Built:
    """Make the bundle `out` from `sources`, replacing an older one there in one step.

    encoder, reranker: directories with model.onnx, tokenizer.json and config.json. An encoder without calibration.json
    gets `UNFITTED`. lenient: leave out, and count, what does not hold together, see `ontologies.collecting.collect`.
    merge: concepts that exact matches join become one, see `ontologies.matches`.

    A build that was interrupted goes on with what it had encoded when it is started again.

    Raises `SourceError`, `BuildError`, or `BundleCorrupt` for a calibration.json that is none; the older bundle is then
    untouched.
    """
    _check_target(out)
    for model in filter(None, (encoder, reranker)):
        _check_model(model)
    fitted = (encoder / CALIBRATION).is_file()
    calibration = read_calibration(encoder / CALIBRATION) if fitted else UNFITTED
    with work_folder(out) as work:
        tables = collect(
            sources, folder=work / "tables", language=language, lenient=lenient, merge=merge, threads=workers
        )
        with _told(out), publish(out) as staging:
            _copy_models(encoder, reranker, calibration, staging)
            distinct, scale = _write_index(tables, staging, work / KEPT, workers)
            for name in TABLES:
                (work / "tables" / name).rename(staging / name)
            manifest = _manifest(tables, staging, distinct=distinct, scale=scale, reranked=reranker is not None)
            (staging / MANIFEST).write_bytes(manifest.to_json())
    size = sum(entry.size for entry in manifest.files.values())
    return Built(
        concepts=len(tables.concepts),
        names=len(tables.names),
        distinct_names=distinct,
        skipped_names=tables.skipped,
        size=size,
        fitted=fitted,
        problems=tables.problems,
        joined=tables.joined,
    )


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # FAISS reports a failed write as RuntimeError
        raise BuildError(f"{out}: cannot write the bundle: {error}") from error


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


def _write_index(tables: Tables, staging: Path, work: Path, workers: int) -> tuple[int, float]:
    """Encode every distinct name once, and write one vector a name; how many were distinct, and the index's scale."""
    names = DistinctNames(tables.exact)
    encoder = OnnxEncoder(staging / "encoder", workers=workers)
    scale = index_scale(encoder.dimension)
    embedded = embed(names, encoder, work, encoder_digest=model_digest(_entries(staging), "encoder"), scale=scale)
    index = new_index(encoder.dimension)
    for embeddings in embedded.rows(names.of_name):
        add_embeddings(index, embeddings, scale)
    write_index(index, staging / "index.faiss")
    return len(names), scale


def _entries(folder: Path) -> dict[str, FileEntry]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_entry(path) for path in paths}


def _manifest(tables: Tables, staging: Path, *, distinct: int, scale: float, reranked: bool) -> Manifest:
    files = _entries(staging)
    encoder = _model(staging, "encoder", files)
    return Manifest(
        releases=tuple(asdict(release) for release in tables.releases),
        counts={
            "concepts": len(tables.concepts),
            "names": len(tables.names),
            "distinct_names": distinct,
            "codes": len(tables.crosswalk),
            **{f"codes_{system}": count for system, count in tables.systems().items()},
            "replacements": len(tables.replacements),
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
