"""Where a calibration goes: into a bundle that is in use, or beside the exported encoder that it belongs to."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from linker.bundle import Bundle
from linker.decision import FILE, Calibration
from linker.errors import InvalidInput
from linker.inference import FILES as MODEL_FILES
from linker.manifest import MANIFEST, file_entry, model_digest, read_manifest
from linker.publishing import publish
from training.errors import TrainingError


def check_place(target: Path, fitted: Bundle) -> None:
    """Raise `InvalidInput` where `target` is no bundle and no encoder, or not one with the encoder of `fitted`."""
    if (target / MANIFEST).is_file():
        digest = read_manifest(target)[0].encoder.digest
    elif all((target / name).is_file() for name in MODEL_FILES):
        digest = model_digest({f"encoder/{name}": file_entry(target / name) for name in MODEL_FILES}, "encoder")
    else:
        raise InvalidInput(f"expected a bundle, or a folder with {', '.join(MODEL_FILES)}", field=f"--into {target}")
    if digest != fitted.manifest.encoder.digest:
        raise InvalidInput("has another encoder than the bundles fitted on", field=f"--into {target}")


def place(calibration: Calibration, target: Path) -> None:
    """Put `calibration` into the bundle `target`, whole or not at all, or beside the encoder there.

    Raises `TrainingError` where it cannot be written.
    """
    if not (target / MANIFEST).is_file():
        write_files(target, {FILE: calibration.to_json()})
        return
    manifest, _ = read_manifest(target)
    try:
        with publish(target) as staging:
            for name in manifest.files:
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                if name != FILE:
                    _link_or_copy(target / name, staging / name)
            (staging / FILE).write_bytes(calibration.to_json())
            files = {**manifest.files, FILE: file_entry(staging / FILE)}
            (staging / MANIFEST).write_bytes(replace(manifest, files=files).to_json())
    except OSError as error:
        raise TrainingError(f"{target}: cannot be written: {error}; the bundle is as it was") from error


def _link_or_copy(source: Path, copy: Path) -> None:
    """A second name for the same bytes where the file system has that, since files of a bundle never change."""
    try:
        os.link(source.resolve(), copy)
    except OSError:
        shutil.copyfile(source, copy)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write each file of `contents` into `folder`, in one step each. Raises `TrainingError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            descriptor, fresh = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(fresh).chmod(0o644)
                Path(fresh).replace(folder / name)
            finally:
                Path(fresh).unlink(missing_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written: {error}") from error
