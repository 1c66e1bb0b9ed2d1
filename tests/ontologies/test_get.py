"""`linker get` against a server on loopback: whole or not at all, whatever connection, server or disk do."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from linker.errors import LinkerError
from ontologies.errors import DownloadError
from ontologies.get import catalogue
from ontologies.get import download as downloading
from ontologies.get.catalogue import Terminology
from ontologies.get.command import get
from ontologies.get.download import download
from ontologies.get.published import published
from ontologies.get.unpacking import unpack

CONTENT = bytes(range(256)) * 2000
DAY = "Tue, 05 May 2026 10:00:00 GMT"
ROOT = Path(__file__).parents[2]


class Server(ThreadingHTTPServer):
    """Serves `files`; `plan` holds what becomes of the next requests: a status, or bytes after which it hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/a.obo": CONTENT}
        self.etags: dict[str, str] = {"/a.obo": '"one"'}
        self.types: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.plan: list[tuple[str, int]] = []
        self.asked: list[tuple[str, str | None]] = []  # path and Range of each request
        self.sent = 0
        self.ranges = True  # answer them
        self.careless = False  # without looking at If-Range
        self.dated = True

    def url(self, path: str = "/a.obo") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is none of our business."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, path = self.server, self.path
        server.asked.append((path, self.headers["Range"]))
        kind, value = server.plan.pop(0) if server.plan else ("cut", sys.maxsize)
        if kind == "status":
            return self.answer(value, {"Retry-After": "0"}, b"")
        if path in server.redirects:
            return self.answer(302, {"Location": server.redirects[path]}, b"")
        if path not in server.files:
            return self.answer(404, {}, b"")
        whole, etag = server.files[path], server.etags.get(path)
        headers = {"Content-Type": server.types.get(path, "application/octet-stream")}
        headers |= {"ETag": etag} if etag else {}
        headers |= {"Last-Modified": DAY} if server.dated else {}
        wanted, condition = self.headers["Range"], self.headers["If-Range"]
        if wanted and server.ranges and (server.careless or condition in (etag, DAY)):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(whole):
                return self.answer(416, {"Content-Range": f"bytes */{len(whole)}"}, b"")
            headers["Content-Range"] = f"bytes {begin}-{len(whole) - 1}/{len(whole)}"
            return self.answer(206, headers, whole[begin:], cut=value)
        return self.answer(200, headers, whole, cut=value)

    def answer(self, status: int, headers: dict[str, str], body: bytes, cut: int = sys.maxsize) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.server.sent += len(body[:cut])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch(server: Server, target: Path, **options: object) -> downloading.Downloaded:
    return download(server.url(), target, pause_s=0, **options)  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_its_size_sum_and_day(server: Server, tmp_path: Path) -> None:
    shown: list[tuple[int, int | None]] = []
    got = fetch(server, tmp_path / "new" / "a.obo", progress=lambda done, total: shown.append((done, total)))
    assert (tmp_path / "new" / "a.obo").read_bytes() == CONTENT
    assert (got.size, got.sha256, got.changed) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "2026-05-05")
    assert left(tmp_path / "new") == ["a.obo"]
    assert (shown[0], shown[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))


def test_a_connection_that_is_cut_is_taken_up_where_it_was(server: Server, tmp_path: Path) -> None:
    server.plan = [("cut", 100_000), ("cut", 200_000)]
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=300000-"]
    assert server.sent == len(CONTENT)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=4), careless=st.booleans(), dated=st.booleans())
def test_wherever_it_is_cut_it_is_the_same_file(
    server: Server, tmp_path: Path, cuts: list[int], careless: bool, dated: bool
) -> None:
    server.plan = [("cut", cut) for cut in cuts]
    server.careless, server.dated = careless, dated
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert left(tmp_path) == ["a.obo"]


def test_the_next_run_goes_on_with_what_an_earlier_one_kept(server: Server, tmp_path: Path) -> None:
    server.plan = [("cut", 100_000), *[("status", 500)] * downloading.ATTEMPTS]
    with pytest.raises(DownloadError, match="100,000 bytes are kept, run again to go on"):
        fetch(server, tmp_path / "a.obo")
    assert left(tmp_path) == [".a.obo.part", ".a.obo.part.json"]
    server.plan, server.sent = [], 0
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - 100_000


@pytest.mark.parametrize("careless", [False, True], ids=["it sends the new file", "it sends the rest of the new file"])
@pytest.mark.parametrize("new", [CONTENT[::-1], b"short", CONTENT + b"longer"], ids=["other", "shorter", "longer"])
def test_a_file_that_changes_in_between_is_fetched_anew(
    server: Server, tmp_path: Path, new: bytes, careless: bool
) -> None:
    server.plan = [("cut", 100_000), *[("status", 500)] * downloading.ATTEMPTS]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "a.obo")
    server.files["/a.obo"], server.etags["/a.obo"], server.plan, server.careless = new, '"two"', [], careless
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == new


@pytest.mark.parametrize("case", ["no ranges", "weak tag and date", "nothing to tell it by"])
def test_servers_that_offer_less(server: Server, tmp_path: Path, case: str) -> None:
    server.ranges = case != "no ranges"
    server.etags["/a.obo"] = 'W/"weak"' if case == "weak tag and date" else ""
    server.dated = case == "weak tag and date"
    server.plan = [("cut", 100_000)]
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert server.asked[-1][1] == ("bytes=100000-" if case == "weak tag and date" else None)


def test_what_had_come_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".a.obo.part").write_bytes(CONTENT)
    (tmp_path / ".a.obo.part.json").write_text(json.dumps({"url": server.url(), "etag": '"one"', "modified": DAY}))
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert server.sent == 0


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"url": "http://elsewhere/", "etag": "x"}', '{"u": 1}'])
def test_a_beginning_that_nothing_is_known_of_is_not_gone_on_with(server: Server, tmp_path: Path, kept: str) -> None:
    (tmp_path / ".a.obo.part").write_bytes(b"something else")
    (tmp_path / ".a.obo.part.json").write_text(kept)
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_told_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/gone: expected the file, got 404 Not Found"):
        download(server.url("/gone"), tmp_path / "a.obo", pause_s=0)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(server: Server, tmp_path: Path, status: int) -> None:
    server.plan = [("status", status)] * (downloading.ATTEMPTS - 1)
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT


def test_what_does_not_pass_ends(server: Server, tmp_path: Path) -> None:
    server.plan = [("status", 500)] * 99
    with pytest.raises(DownloadError, match="got 500 Internal Server Error, 5 times in a row"):
        fetch(server, tmp_path / "a.obo")
    assert len(server.asked) == downloading.ATTEMPTS


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no connection"):
        download("http://127.0.0.1:9/a.obo", tmp_path / "a.obo", pause_s=0)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_sum_that_is_right(server: Server, tmp_path: Path, algorithm: str) -> None:
    fetch(server, tmp_path / "a.obo", checksum=f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest().upper()}")
    assert (tmp_path / "a.obo").exists()


def test_a_sum_that_is_wrong_leaves_the_older_file_and_nothing_else(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text("older")
    with pytest.raises(DownloadError, match=f"expected sha256 {'0' * 64}, as the publisher says, got"):
        fetch(server, tmp_path / "a.obo", checksum=f"sha256:{'0' * 64}")
    assert (tmp_path / "a.obo").read_text() == "older"
    assert left(tmp_path) == ["a.obo"]


def test_a_web_page_is_no_release(server: Server, tmp_path: Path) -> None:
    server.types["/a.obo"] = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="got a web page"):
        fetch(server, tmp_path / "a.obo")
    assert left(tmp_path) == []


def test_redirects_are_followed_and_resumed(server: Server, tmp_path: Path) -> None:
    server.redirects = {"/latest": server.url("/moved"), "/moved": "/a.obo"}
    server.plan = [("cut", 0), ("cut", 0), ("cut", 100_000)]
    download(server.url("/latest"), tmp_path / "a.obo", pause_s=0)
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert server.asked[-1] == ("/a.obo", "bytes=100000-")


def test_no_redirect_leads_out_of_encryption() -> None:
    from urllib.request import Request

    request = Request("https://example.org/a.obo")
    with pytest.raises(DownloadError, match="expected an encrypted address"):
        downloading._Redirects().redirect_request(request, None, 302, "", {}, "http://example.org/a.obo")


def test_the_proxy_of_the_environment_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["http://release.invalid/a.obo"] = b"by proxy"
    monkeypatch.setenv("http_proxy", server.url(""))
    download("http://release.invalid/a.obo", tmp_path / "a.obo", pause_s=0)
    assert (tmp_path / "a.obo").read_bytes() == b"by proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT


def test_a_full_disk_keeps_what_has_come(server: Server, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ontologies.get.download import download\n"
        "from ontologies.errors import DownloadError\n"
        "try: download(sys.argv[1], Path(sys.argv[2]), pause_s=0)\n"
        "except DownloadError as error: print(error)"
    )
    arguments = [sys.executable, "-c", code, server.url(), str(tmp_path / "a.obo")]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    assert "cannot write: File too large; what has come is kept, run again to go on" in done.stdout
    assert (tmp_path / ".a.obo.part").stat().st_size == 300_000
    server.sent = 0
    fetch(server, tmp_path / "a.obo")
    assert (tmp_path / "a.obo").read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - 300_000


def test_a_disk_that_is_too_small_is_told_before_it_is_full(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DownloadError, match=f"expected {len(CONTENT):,} bytes of free space, got 1,000"):
        fetch(server, tmp_path / "a.obo")
    assert not (tmp_path / "a.obo").exists()


def test_one_download_of_a_file_at_a_time(server: Server, tmp_path: Path) -> None:
    refused: list[str] = []

    def also(_done: int, _total: int | None) -> None:
        with pytest.raises(DownloadError, match="another process is downloading") as caught:
            fetch(server, tmp_path / "a.obo")
        refused.append(str(caught.value))

    fetch(server, tmp_path / "a.obo", progress=also)
    assert refused
    assert (tmp_path / "a.obo").read_bytes() == CONTENT


GITHUB = {"tag_name": "v2026-05-05", "assets": [{"name": "b.obo"}, {"name": "a.obo", "digest": "sha256:12ab"}]}


def test_what_publishers_say() -> None:
    said = published(json.dumps(GITHUB).encode(), "a.obo")
    assert (said.version, said.checksum) == ("v2026-05-05", "sha256:12ab")
    lines = f"{'0' * 64}  other.obo\n{'A' * 64} *a.obo\n"
    assert published(lines.encode(), "a.obo").checksum == f"sha256:{'A' * 64}"
    assert published(f"{'b' * 32}  ./dist/a.obo".encode(), "a.obo").checksum == f"md5:{'b' * 32}"


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b'{"assets": 3}', b'{"message": "rate limit"}', b"\xff\xfe", b"x  a.obo"]
)
def test_documents_that_say_no_sum(document: bytes) -> None:
    with pytest.raises(DownloadError):
        published(document, "a.obo")
    with pytest.raises(DownloadError, match="expected the sum of b.obo, got none"):
        published(json.dumps(GITHUB).encode(), "b.obo")


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_only_what_is_needed_is_unpacked_and_never_elsewhere(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"rrf/X.RRF": b"x", "../../Y.RRF": b"y", "readme.txt": b"z"}))
    assert unpack(archive, "*.RRF", tmp_path) == [tmp_path / "X.RRF", tmp_path / "Y.RRF"]
    assert left(tmp_path) == ["X.RRF", "Y.RRF", "a.zip"]


@pytest.mark.parametrize("damage", ["none fits", "no zip", "cut", "flipped"])
def test_archives_that_are_not_what_they_should_be(tmp_path: Path, damage: str) -> None:
    content = bytearray(zipped({"X.RRF": CONTENT}))
    if damage == "flipped":
        content[80] ^= 0xFF
    archive = tmp_path / "a.zip"
    archive.write_bytes({"no zip": b"hello", "cut": bytes(content[:-9])}.get(damage, bytes(content)))
    with pytest.raises(DownloadError, match=r"a\.zip"):
        unpack(archive, "*.OWL" if damage == "none fits" else "*.RRF", tmp_path)
    assert left(tmp_path) == ["a.zip"]


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """`linker get`, with a catalogue of the server's."""
    (tmp_path / "catalogue.toml").write_text(
        f"""
        [tiny]
        title = "Tiny Ontology"
        licence = "CC0-1.0"
        homepage = "https://example.org/tiny"
        build = "a.obo"
        files = [{{ name = "a.obo", url = "{server.url()}", checksums = "{server.url("/release.json")}" }}]

        [packed]
        title = "Packed"
        licence = "a licence"
        homepage = "https://example.org/packed"
        folder = "packed"
        build = "packed"
        note = "Mind the gap."
        files = [{{ name = "p.zip", url = "{server.url("/p.zip")}", unpack = "*.RRF" }}]

        [signed]
        title = "Signed"
        licence = "to be signed"
        homepage = "https://example.org/signed"
        steps = "1. Sign.\\n2. linker build X/META"
        """
    )
    monkeypatch.setattr(catalogue, "FILE", tmp_path / "catalogue.toml")
    app = typer.Typer()
    app.command()(get)
    return lambda *arguments: CliRunner().invoke(app, [*arguments], catch_exceptions=False)


def test_get_lists_what_there_is(run: Callable[..., object]) -> None:
    out = run().stdout
    assert "tiny    Tiny Ontology" in out
    assert "licence: CC0-1.0" in out
    assert "needs a licence" in out


def test_get_downloads_compares_and_says_what_to_build(
    run: Callable[..., object], server: Server, tmp_path: Path
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    release = {"tag_name": "v7", "assets": [{"name": "a.obo", "digest": f"sha256:{digest}"}]}
    server.files["/release.json"] = json.dumps(release).encode()
    done = run("tiny", "--out", str(tmp_path / "releases"))
    assert (tmp_path / "releases" / "a.obo").read_bytes() == CONTENT
    assert "licence: CC0-1.0" in done.stderr
    assert "512,000 bytes, version v7, last changed 2026-05-05" in done.stderr
    assert f"sha256: {digest} (as the publisher says)" in done.stderr
    assert done.stdout == f"linker build {tmp_path}/releases/a.obo --out tiny-bundle\n"
    release["assets"][0]["digest"] = f"sha256:{'0' * 64}"
    server.files["/release.json"] = json.dumps(release).encode()
    with pytest.raises(DownloadError, match=r"expected sha256 0+, .* \(see https://example.org/tiny\)"):
        run("tiny", "--out", str(tmp_path / "releases"))


def test_a_publisher_that_cannot_be_asked_is_no_reason_not_to_download(
    run: Callable[..., object], tmp_path: Path
) -> None:
    done = run("tiny", "--out", str(tmp_path))
    assert "warning: a.obo will not be compared" in done.stderr
    assert (tmp_path / "a.obo").read_bytes() == CONTENT


def test_get_unpacks(run: Callable[..., object], server: Server, tmp_path: Path) -> None:
    server.files["/p.zip"] = zipped({"rrf/RXNCONSO.RRF": b"x"})
    done = run("packed", "--out", str(tmp_path / "r"))
    assert left(tmp_path / "r" / "packed") == ["RXNCONSO.RRF"]
    assert "Mind the gap." in done.stderr
    assert "gives none to compare it with" in done.stderr


def test_get_says_how_to_come_by_what_needs_a_licence(run: Callable[..., object], server: Server) -> None:
    assert "licence: to be signed\n1. Sign.\n2. linker build X/META" in run("signed").stdout
    assert not server.asked


def test_get_knows_no_such_name(run: Callable[..., object], server: Server) -> None:
    with pytest.raises(LinkerError, match="expected one of tiny, packed, signed; got other"):
        run("tiny", "other")
    assert not server.asked


CATALOGUE = catalogue.catalogue()


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_holds_together(entry: Terminology) -> None:
    assert entry.title
    assert entry.licence
    assert entry.homepage.startswith("https://")
    assert bool(entry.files) != bool(entry.steps)
    assert "linker build " in entry.steps or entry.build
    assert all(file.url.startswith("https://") for file in entry.files)
    here = {
        f"{folder}{file.name}"
        for e in CATALOGUE.values()
        for file in e.files
        for folder in (f"{e.folder}/" * bool(e.folder),)
    }
    unpacked = {file.unpack for e in CATALOGUE.values() for file in e.files} | {e.folder for e in CATALOGUE.values()}
    for path in entry.build.split():
        assert path in unpacked or any(fnmatch(name, path) for name in here)


def test_the_names_that_everyone_asks_for_are_there() -> None:
    assert {"mondo", "hpo", "doid", "mesh", "icd10cm", "ncit", "orphanet"} <= CATALOGUE.keys()
    assert all(CATALOGUE[name].steps for name in ("umls", "snomed", "rxnorm", "loinc"))


def test_the_command_is_registered() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["linker.commands"]
    module, _, name = scripts["get"].partition(":")
    assert getattr(import_module(module), name) is get
