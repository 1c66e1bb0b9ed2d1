"""From sources to a published bundle: collect, encode, index, write, publish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from linker.decision import FILE as CALIBRATION
from linker.decision import UNFITTED, Calibration, read_calibration
from linker.encoding import OnnxEncoder
from linker.index import index_scale
from linker.inference import FILES as MODEL_FILES
from linker.inference import read_config
from linker.manifest import MANIFEST, FileEntry, IndexEntry, IndexKind, Manifest, ModelEntry, file_entry, model_digest
from linker.publishing import publish
from linker.tables import TABLES
from ontologies.abbreviations import Abbreviations
from ontologies.changes import FILE as CHANGES
from ontologies.changes import Changes, write_changes
from ontologies.collecting import Tables, collect
from ontologies.embedding import DistinctNames, embed
from ontologies.errors import BuildError
from ontologies.indexing import IndexOptions, measured, mentions_of, write_index
from ontologies.joining import Joined
from ontologies.readers.options import Problems
from ontologies.records import Source
from ontologies.updating import OlderBundle, changed_releases, embed_over, keep_redirects, open_older
from ontologies.working import KEPT, work_folder


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made. fitted: the encoder came with a calibration. problems: what a lenient build left out.

    joined: what was left out of any build, and which concepts became one. changes: from the bundle that was updated.
    """

    concepts: int
    names: int
    distinct_names: int
    skipped_names: int
    size: int
    fitted: bool
    problems: Problems
    joined: Joined
    changes: Changes | None


def build(  # noqa: PLR0913 - each is an option of the command
    sources: Sequence[Source],
    out: Path,
    *,
    encoder: Path,
    reranker: Path | None = None,
    update: Path | None = None,
    language: str = "",
    abbreviations: Sequence[Abbreviations] = (),
    lenient: bool = False,
    merge: bool = False,
    index: IndexOptions = IndexOptions(),  # noqa: B008 - it is frozen
    workers: int = 1,
) -> Built:
    """Make the bundle `out` from `sources`, replacing an older one there in one step.

    encoder, reranker: directories with model.onnx, tokenizer.json and config.json. An encoder without calibration.json
    gets `UNFITTED`. update: the bundle of an older release, see `ontologies.updating`; `out` is the same without it,
    but for redirects that only the older one knows and for `ontologies.changes`. abbreviations: lists of short forms,
    see `ontologies.abbreviations`. lenient: leave out, and count, what does not hold together, see
    `ontologies.collecting.collect`. merge: concepts that exact matches join become one, see `ontologies.matches`.

    A build that was interrupted goes on with what it had encoded when it is started again.

    Raises `SourceError`, `BuildError`, `BundleCorrupt` for a calibration.json that is none, or what
    `ontologies.updating.open_older` raises; the older bundle is then untouched.
    """
    _check_target(out)
    for model in filter(None, (encoder, reranker)):
        _check_model(model)
    calibration = _calibration(encoder)
    with work_folder(out) as work:
        older = open_older(update) if update else None
        tables = collect(
            sources,
            folder=work / "tables",
            language=language,
            abbreviations=abbreviations,
            lenient=lenient,
            merge=merge,
            threads=workers,
        )
        with _told(out), publish(out) as staging:
            if older:
                tables = replace(tables, replacements=keep_redirects(older, work / "tables"))
            _copy_models(encoder, reranker, calibration, staging)
            distinct, entry = _write_index(tables, staging, work / KEPT, index, workers, older)
            for name in TABLES:
                (work / "tables" / name).rename(staging / name)
            changes = _write_changes(older, tables, staging, work, workers) if older else None
            manifest = _manifest(tables, staging, distinct=distinct, index=entry, reranked=reranker is not None)
            (staging / MANIFEST).write_bytes(manifest.to_json())
    size = sum(entry.size for entry in manifest.files.values())
    return Built(
        concepts=len(tables.concepts),
        names=len(tables.names),
        distinct_names=distinct,
        skipped_names=tables.skipped,
        size=size,
        fitted=calibration != UNFITTED,
        problems=tables.problems,
        joined=tables.joined,
        changes=changes,
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


def _calibration(encoder: Path) -> Calibration:
    """The calibration of an encoder: beside it if it is that of a bundle, else with it; `UNFITTED` without one."""
    path = encoder.parent / CALIBRATION if (encoder.parent / MANIFEST).is_file() else encoder / CALIBRATION
    return read_calibration(path) if path.is_file() else UNFITTED


def _copy_models(encoder: Path, reranker: Path | None, calibration: Calibration, staging: Path) -> None:
    (staging / CALIBRATION).write_bytes(calibration.to_json())
    for name, directory in (("encoder", encoder), ("reranker", reranker)):
        if directory is not None:
            (staging / name).mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(directory / file, staging / name / file)


def _write_index(
    tables: Tables, staging: Path, work: Path, options: IndexOptions, workers: int, older: OlderBundle | None
) -> tuple[int, IndexEntry]:
    """Encode every distinct name once, and write one vector a name; how many were distinct, and the index."""
    names = DistinctNames(tables.exact)
    encoder = OnnxEncoder(staging / "encoder", workers=workers)
    scale = index_scale(encoder.dimension)
    embedding = partial(embed_over, older) if older else embed
    digest = model_digest(_entries(staging), "encoder")
    embedded = embedding(names, encoder, work, encoder_digest=digest, scale=scale)
    index = write_index(staging, embedded, names.of_name, kind=options.kind, encoder_digest=digest)
    if index.kind is not IndexKind.EXACT:
        mentions, _ = encoder.encode(mentions_of(tables.names["name"]))
        index = measured(staging, index, mentions, recall_floor=options.recall_floor, workers=workers)
    return len(names), index


def _write_changes(older: OlderBundle, tables: Tables, staging: Path, work: Path, workers: int) -> Changes:
    releases = changed_releases(older, tables.releases)
    scratch = work / "changes"
    return write_changes(
        staging / CHANGES, old=older.tables, new=staging, releases=releases, scratch=scratch, threads=workers
    )


def _entries(folder: Path) -> dict[str, FileEntry]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_entry(path) for path in paths}


def _manifest(tables: Tables, staging: Path, *, distinct: int, index: IndexEntry, reranked: bool) -> Manifest:
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
        index=index,
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
