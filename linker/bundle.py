"""The bundle: models, index and concepts that belong together, verified when it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from linker.decision import FILE as CALIBRATION
from linker.decision import Calibration, read_calibration
from linker.encoding import Encoder, OnnxEncoder
from linker.index import VectorIndex
from linker.manifest import Manifest, read_manifest, verify
from linker.reranking import OnnxReranker, Reranker
from linker.retrieval import Retriever
from linker.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: immutable, memory-mapped, safe to share between threads.

    digest: SHA-256 of its manifest. workers: threads that share a batch.
    """

    path: Path
    digest: str
    manifest: Manifest
    terminology: Terminology
    encoder: Encoder
    retriever: Retriever
    reranker: Reranker | None
    calibration: Calibration
    workers: int


def open_bundle(path: Path, *, workers: int = 1) -> Bundle:
    """Verify and open the bundle at `path`; `workers` threads share each batch.

    Raises `BundleError` (not a bundle), `BundleCorrupt` (a file is missing, truncated or altered; names it) or
    `BundleMismatch` (the files do not belong together).
    """
    manifest, digest = read_manifest(path)
    verify(path, manifest)
    terminology = Terminology(path)
    return Bundle(
        path=path,
        digest=digest,
        manifest=manifest,
        terminology=terminology,
        encoder=OnnxEncoder(path / "encoder", workers=workers),
        retriever=Retriever(terminology, VectorIndex(path, manifest.index), workers=workers),
        reranker=OnnxReranker(path / "reranker", names_of=terminology.names, workers=workers)
        if manifest.reranker
        else None,
        calibration=read_calibration(path / CALIBRATION),
        workers=workers,
    )
