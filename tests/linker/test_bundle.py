from __future__ import annotations

import json
import os
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from linker.bundle import open_bundle
from linker.errors import BundleCorrupt, BundleError, BundleMismatch
from linker.manifest import FORMAT, FileEntry, file_entry, model_digest, read_manifest

FILES = [
    "calibration.json",
    "codes.arrow",
    "concepts.arrow",
    "crosswalk.arrow",
    "encoder/config.json",
    "encoder/model.onnx",
    "encoder/tokenizer.json",
    "exact.arrow",
    "hierarchy.arrow",
    "index.faiss",
    "names.arrow",
    "replacements.arrow",
    "words.arrow",
]


def test_the_manifest_names_every_file(bundle: Path) -> None:
    opened = open_bundle(bundle)
    found = sorted(p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file())
    assert found == sorted([*FILES, "manifest.json"]) == sorted([*opened.manifest.files, "manifest.json"])


def test_any_flipped_bit_of_the_manifest_is_refused(bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    content = path.read_bytes()
    for bit in random.Random(5).sample(range(8 * len(content)), 300):
        altered = bytearray(content)
        altered[bit // 8] ^= 1 << bit % 8
        path.write_bytes(altered)
        with pytest.raises(BundleError, match=r"manifest\.json"):
            read_manifest(bundle_copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["first byte", "middle", "last byte"])
def test_a_flipped_bit_is_refused_by_name(bundle_copy: Path, name: str, place: float) -> None:
    path = bundle_copy / name
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleCorrupt, match=name):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_or_missing_file_is_refused_by_name(bundle_copy: Path, name: str) -> None:
    path = bundle_copy / name
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(BundleCorrupt, match=name):
        open_bundle(bundle_copy)
    path.unlink()
    with pytest.raises(BundleCorrupt, match=name):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b"\xff\xfe"])
def test_a_manifest_of_nonsense_is_refused(bundle_copy: Path, content: bytes) -> None:
    (bundle_copy / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(bundle_copy)


def _rewrite(bundle: Path, **changes: object) -> None:
    """With a seal that fits, as whoever writes bundles would."""
    (bundle / "manifest.json").write_bytes(replace(read_manifest(bundle)[0], **changes).to_json())


def test_an_index_of_another_encoder_is_refused(bundle_copy: Path) -> None:
    """Even with a manifest that was made to agree with the files."""
    config = bundle_copy / "encoder/config.json"
    config.write_text(config.read_text() + "\n")
    files = json.loads((bundle_copy / "manifest.json").read_text())["files"]
    entry = file_entry(config)
    files["encoder/config.json"] = asdict(entry)
    _rewrite(bundle_copy, files=files)
    with pytest.raises(BundleMismatch, match="another encoder"):
        open_bundle(bundle_copy)


def test_a_manifest_cannot_point_outside(bundle_copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    files = json.loads((bundle_copy / "manifest.json").read_text())["files"]
    files["../outside"] = {"size": 1, "sha256": file_entry(outside).sha256}
    _rewrite(bundle_copy, files=files)
    with pytest.raises(BundleCorrupt, match="outside"):
        open_bundle(bundle_copy)


def test_files_may_be_links(bundle: Path, tmp_path: Path) -> None:
    """Volumes of a cluster and content-addressed stores are made of them."""
    for path in sorted(bundle.rglob("*")):
        target = tmp_path / "linked" / path.relative_to(bundle)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            target.symlink_to(path)
    assert open_bundle(tmp_path / "linked").digest == open_bundle(bundle).digest


def test_what_is_not_a_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="linker build"):
        open_bundle(tmp_path)
    with pytest.raises(BundleError, match="does not exist"):
        open_bundle(tmp_path / "nothing")


def test_a_newer_format_is_refused(bundle_copy: Path) -> None:
    _rewrite(bundle_copy, format=FORMAT + 1)
    with pytest.raises(BundleError, match=f"format {FORMAT + 1}"):
        open_bundle(bundle_copy)


def test_a_model_digest_depends_on_names_and_contents() -> None:
    one, two = FileEntry(1, "a" * 64), FileEntry(1, "b" * 64)
    digest = model_digest({"encoder/x": one, "encoder/y": two}, "encoder")
    assert digest == model_digest({"encoder/y": two, "encoder/x": one, "other/z": one}, "encoder")
    assert digest != model_digest({"encoder/x": two, "encoder/y": one}, "encoder")
