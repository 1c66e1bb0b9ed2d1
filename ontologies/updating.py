"""A new release over the bundle of an older one: what both have is not encoded again, and no redirect is lost.

The index holds a name's vector in bytes at a scale that depends on the dimension alone, and a name's vector depends on
its normalised form and the encoder alone. So rows of the older index are, byte for byte, what encoding would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.console import stderr
from linker.index import VectorIndex
from linker.manifest import Manifest, read_manifest, verify
from linker.records import Embeddings
from linker.tables import TABLES, map_table, write_table
from linker.terminology import Terminology
from ontologies.changes import Change, ChangeKind
from ontologies.embedding import DistinctNames, EmbeddedNames, NameEncoder, embed
from ontologies.records import Release


@dataclass(frozen=True, slots=True)
class OlderBundle:
    """The bundle that a build starts from. Memory-mapped, so that the new one may take its place."""

    path: Path
    manifest: Manifest
    terminology: Terminology
    tables: Mapping[str, pa.Table]
    index: VectorIndex


def open_older(path: Path) -> OlderBundle:
    """Verify and open the bundle at `path`. Raises `BundleError` (no bundle, another format) or `BundleCorrupt`."""
    manifest, _ = read_manifest(path)
    verify(path, manifest)  # an index with flipped bytes opens as any other, and would be handed down
    return OlderBundle(
        path=path,
        manifest=manifest,
        terminology=Terminology(path),
        tables={name: map_table(path / name) for name in TABLES},
        index=VectorIndex(path, manifest.index),
    )


class RememberingEncoder:
    """Encodes what an older bundle has no vector of. reused: how many names it had a vector of."""

    def __init__(self, encoder: NameEncoder, older: OlderBundle) -> None:
        """`older` was made with the same encoder."""
        self.dimension = encoder.dimension
        self.reused = 0
        self._encoder, self._older = encoder, older

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int], object] | None = None
    ) -> tuple[Embeddings, NDArray[np.bool_]]:
        """Embeddings, (n, dimension) float32, and which texts were truncated just now, (n,) bool.

        texts: normalised names. Old embeddings times the scale are whole numbers, but for roundings far below 0.5.
        """
        first = [self._older.terminology.names_equal(text)[:1] for text in texts]
        known = np.array([bool(rows) for rows in first], dtype=np.bool_)
        embeddings = np.empty((len(texts), self.dimension), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=np.bool_)
        if old := [row for rows in first for row in rows]:
            embeddings[known] = self._older.index.embeddings(old)
            self.reused += len(old)
            if progress:
                progress(len(old))
        if new := [text for text, rows in zip(texts, first, strict=True) if not rows]:
            embeddings[~known], truncated[~known] = self._encoder.encode(new, progress=progress)
        return embeddings, truncated


def embed_over(
    older: OlderBundle, names: DistinctNames, encoder: NameEncoder, folder: Path, *, encoder_digest: str, scale: float
) -> EmbeddedNames:
    """As `ontologies.embedding.embed`, but what the older bundle has is not encoded, where it has the same encoder."""
    index = older.manifest.index
    if index.encoder == encoder_digest and index.scale == scale:
        remembering = RememberingEncoder(encoder, older)
        embedded = embed(names, remembering, folder, encoder_digest=encoder_digest, scale=scale)
        _say(older, f"has the vectors of {remembering.reused:,} of {len(names):,} names, which were not encoded")
        return embedded
    why = "with another encoder" if index.encoder != encoder_digest else "by an older version of this program"
    _say(older, f"was made {why}: every name is encoded again")
    return embed(names, encoder, folder, encoder_digest=encoder_digest, scale=scale)


def _say(older: OlderBundle, what: str) -> None:
    stderr.print(f"{older.path} {what}", markup=False, soft_wrap=True)


def keep_redirects(older: OlderBundle, folder: Path) -> pa.Table:
    """Add to the replacements in `folder` the older ones of ids that the new release says nothing of; gives all.

    A chain of replacements cannot become a circle: nothing of the new release leads to an id it says nothing of.
    Raises OSError.
    """
    path, old = folder / "replacements.arrow", older.tables["replacements.arrow"]
    new, concepts = map_table(path), map_table(folder / "concepts.arrow")
    columns = (concepts["concept_id"], new["concept_id"], new["replaced_by"])
    told = pa.chunked_array([chunk for column in columns for chunk in column.cast(pa.large_string()).chunks])
    lost = old.filter(pc.invert(pc.is_in(old["concept_id"], value_set=told)))
    if not len(lost):
        return new
    _say(older, f"has {len(lost):,} replacements of ids that the new release says nothing of; they are kept")
    together = pa.concat_tables([new, lost]).sort_by([(name, "ascending") for name in new.column_names])
    write_table(together, path.with_suffix(".kept"))
    path.with_suffix(".kept").rename(path)
    return map_table(path)


def changed_releases(older: OlderBundle, releases: Iterable[Release]) -> Iterator[Change]:
    """The releases whose version is another, by source; "" where a bundle has none of it, or it has no version."""
    before = _versions((release["source"], release["version"]) for release in older.manifest.releases)
    after = _versions((release.source, release.version) for release in releases)
    for source in sorted({*before, *after}):
        old, new = before.get(source, ""), after.get(source, "")
        if old != new:
            yield Change(ChangeKind.RELEASE, source, old, new)


def _versions(releases: Iterable[tuple[str, str]]) -> dict[str, str]:
    versions: dict[str, list[str]] = {}
    for source, version in releases:
        versions.setdefault(source, []).append(version)
    return {source: " ".join(sorted(found)) for source, found in versions.items()}
