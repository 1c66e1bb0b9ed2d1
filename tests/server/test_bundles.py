from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from linker.cli.serve import bundle_paths
from linker.errors import BundleError, InvalidInput
from linker.manifest import read_manifest
from linker.options import Options
from linker.publishing import publish
from linker.records import Mention
from linker.v1 import admin_service_pb2 as admin
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import terminology_service_pb2 as terminology
from linker.wire import link_request
from ontologies.build import build
from ontologies.readers import read
from ontologies.starter import ENCODER

OTHER = "concept_id\tname\nOTHER:1\tasthma\nOTHER:2\tsprained ankle\n"
PINNED = "0" * 64


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two concepts."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "source.tsv").write_text(OTHER)
    build([read(folder / "source.tsv")], folder / "bundle", encoder=ENCODER)
    return folder / "bundle"


@pytest.fixture(scope="module")
def two(bundle: Path, other: Path) -> Iterator[Any]:
    """A server of two bundles."""
    from tests.server.conftest import Running, settings

    running = Running(settings(), {"clinic": bundle, "other": other})
    yield running
    running.close()


def digest(path: Path) -> str:
    return read_manifest(path)[1]


def put(source: Path, target: Path) -> None:
    """Publish a bundle where another lies, as `linker build` does."""
    with publish(target) as staging:
        shutil.copytree(source, staging, dirs_exist_ok=True)


def linked(running: Any, text: str, **options: Any) -> tuple[str, str]:
    """The best candidate's id, and the digest of the bundle that says so."""
    request = linking.LinkMentionsRequest(mentions=[{"text": text}], options=options)
    response = running.linking.LinkMentions(request, timeout=20)
    [result] = response.results
    return (result.match.candidates or result.no_match.candidates)[0].concept.id, response.provenance.bundle_digest


def code_of(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


def test_a_call_chooses_its_bundle(two: Any, bundle: Path, other: Path) -> None:
    assert linked(two, "asthma") == linked(two, "asthma", bundle="clinic") == ("CLINIC:0015", digest(bundle))
    assert linked(two, "asthma", bundle="other") == ("OTHER:1", digest(other))
    with ThreadPoolExecutor(8) as pool:
        names = ["clinic", "other"] * 40
        found = list(pool.map(lambda name: linked(two, "asthma", bundle=name), names))
    assert found == [("CLINIC:0015", digest(bundle)), ("OTHER:1", digest(other))] * 40


def requests() -> list[tuple[str, Message]]:
    """One of each method that reads a bundle, from the bundle `other`."""
    of = {"bundle": "other"}
    return [
        ("GetConcept", terminology.GetConceptRequest(concept_id="OTHER:1", **of)),
        ("BatchGetConcepts", terminology.BatchGetConceptsRequest(concept_ids=["OTHER:1"], **of)),
        ("SearchConcepts", terminology.SearchConceptsRequest(query="asth", **of)),
        ("SearchConcepts", terminology.SearchConceptsRequest(query="asthmma", mode="SEARCH_MODE_FUZZY", **of)),
        ("ListAncestors", terminology.ListAncestorsRequest(concept_id="OTHER:1", **of)),
        ("ListDescendants", terminology.ListDescendantsRequest(concept_id="OTHER:1", **of)),
        ("MapCodes", terminology.MapCodesRequest(codings=[{"system": "OTHER", "code": "1"}], **of)),
    ]


@pytest.mark.parametrize(("method", "request_"), requests())
def test_every_method_chooses_and_pins(two: Any, other: Path, bundle: Path, method: str, request_: Any) -> None:
    call = getattr(two.terminology, method)
    answer = call(request_)
    assert (answer.provenance.bundle_digest, answer.provenance.bundle) == (digest(other), "other")
    for pinned, code in ((digest(other), None), (digest(bundle), grpc.StatusCode.FAILED_PRECONDITION)):
        request_.bundle_digest = pinned
        if code is None:
            assert call(request_) == answer
        else:
            assert code_of(lambda: call(request_)) == (
                code,
                f"bundle_digest is not the digest of the bundle served here, which is {digest(other)}",
            )
    request_.bundle = "another"
    code, text = code_of(lambda: call(request_))
    assert (code, text) == (grpc.StatusCode.INVALID_ARGUMENT, "bundle: expected a bundle of this server: clinic, other")


def test_bundles_are_listed(two: Any, bundle: Path, other: Path) -> None:
    listed = two.admin.ListBundles(admin.ListBundlesRequest()).bundles
    assert [(b.name, b.digest, b.is_default) for b in listed] == [
        ("clinic", digest(bundle), True),
        ("other", digest(other), False),
    ]
    assert [b.concept_count for b in listed] == [16, 2]
    assert list(two.admin.GetServerInfo(admin.GetServerInfoRequest()).bundles) == list(listed)


def test_a_server_that_loads_describes_itself(start: Callable[..., Any]) -> None:
    running = start(opened=False)
    [loading] = running.admin.GetServerInfo(admin.GetServerInfoRequest()).bundles
    assert (loading.name, loading.state, loading.digest) == ("clinic", admin.BUNDLE_STATE_LOADING, "")


@pytest.fixture
def replaceable(bundle: Path, tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """A server, and the place of its bundle."""
    from tests.server.conftest import Running, settings

    place = tmp_path / "bundle"
    put(bundle, place)
    running = Running(settings(), {"clinic": place})
    yield running, place
    running.close()


def reload(running: Any, **request: str) -> admin.Bundle:
    return running.admin.ReloadBundle(admin.ReloadBundleRequest(**request), timeout=60).bundle


def test_a_reload_serves_what_lies_there_now_and_goes_back(
    replaceable: tuple[Any, Path], bundle: Path, other: Path
) -> None:
    running, place = replaceable
    put(other, place)
    assert linked(running, "asthma") == ("CLINIC:0015", digest(bundle))
    after = reload(running, bundle_digest=digest(other))
    assert (after.digest, after.previous_digest, after.reload_error) == (digest(other), digest(bundle), "")
    assert linked(running, "asthma") == ("OTHER:1", digest(other))
    for expected in (bundle, other, bundle):
        back = running.admin.RollBackBundle(admin.RollBackBundleRequest(bundle="clinic")).bundle
        assert back.digest == digest(expected)
        assert linked(running, "asthma")[1] == digest(expected)


def test_what_is_not_there_is_not_gone_back_to(served: Any) -> None:
    code, text = code_of(lambda: served.admin.RollBackBundle(admin.RollBackBundleRequest()))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "no reload has replaced" in text
    for call, request in (
        (served.admin.RollBackBundle, admin.RollBackBundleRequest(bundle="x")),
        (served.admin.ReloadBundle, admin.ReloadBundleRequest(bundle="x")),
        (served.admin.ReloadBundle, admin.ReloadBundleRequest(bundle_digest="x" * 65)),
    ):
        assert code_of(lambda call=call, request=request: call(request))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_another_digest_than_was_asked_for_is_refused(replaceable: tuple[Any, Path], bundle: Path, other: Path) -> None:
    running, place = replaceable
    put(other, place)
    code, text = code_of(lambda: reload(running, bundle_digest=PINNED))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert digest(other) in text
    [listed] = running.admin.ListBundles(admin.ListBundlesRequest()).bundles
    assert (listed.digest, listed.previous_digest) == (digest(bundle), "")
    assert digest(other) in listed.reload_error
    assert linked(running, "asthma") == ("CLINIC:0015", digest(bundle))


def flipped(path: Path, chosen: random.Random) -> None:
    """One bit of a file, in place as a disk would do it: the old file goes on in the memory of whoever mapped it."""
    content = bytearray(path.read_bytes())
    content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
    path.unlink()
    path.write_bytes(content)


def refuses_flips(running: Any, bundle: Path, place: Path, *, times: int) -> None:
    chosen = random.Random(0)
    files = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 10
    for name in files:
        for _ in range(times):
            flipped(place / name, chosen)
            code, _text = code_of(lambda: reload(running))
            assert code is grpc.StatusCode.FAILED_PRECONDITION, name
            assert linked(running, "asthma") == ("CLINIC:0015", digest(bundle)), name
            shutil.copyfile(bundle / name, place / name)


def test_one_flipped_bit_in_any_file_is_refused(replaceable: tuple[Any, Path], bundle: Path) -> None:
    refuses_flips(replaceable[0], bundle, replaceable[1], times=1)


@pytest.mark.long
def test_many_flipped_bits_are_each_refused(replaceable: tuple[Any, Path], bundle: Path) -> None:
    refuses_flips(replaceable[0], bundle, replaceable[1], times=100)


def reloads_under_load(running: Any, place: Path, versions: list[Path], *, times: int) -> None:
    """No call fails, and each answer is of one version from its results to its digest."""
    expected = {digest(versions[0]): "CLINIC:0015", digest(versions[1]): "OTHER:1"}
    stopping, seen, failures = threading.Event(), set(), []

    def client() -> None:
        request = link_request([Mention("asthma")] * 20, Options())
        while not stopping.is_set():
            try:
                response = running.linking.LinkMentions(request, timeout=60)
            except grpc.RpcError as error:
                failures.append(error.code())
                continue
            found = {(r.match.candidates or r.no_match.candidates)[0].concept.id for r in response.results}
            seen.add((response.provenance.bundle_digest, *found))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    for number in range(times):
        put(versions[(number + 1) % 2], place)
        reload(running)
    stopping.set()
    for thread in clients:
        thread.join()
    assert failures == []
    assert seen == set(expected.items())


def test_reloads_under_load(replaceable: tuple[Any, Path], bundle: Path, other: Path) -> None:
    reloads_under_load(replaceable[0], replaceable[1], [bundle, other], times=3)


@pytest.mark.long
def test_many_reloads_under_load(replaceable: tuple[Any, Path], bundle: Path, other: Path) -> None:
    reloads_under_load(replaceable[0], replaceable[1], [bundle, other], times=20)


def test_names_of_bundles(bundle: Path, other: Path, tmp_path: Path) -> None:
    assert bundle_paths([str(bundle), f"b={other}"]) == {bundle.name: bundle, "b": other}
    odd = tmp_path / "a=b"
    odd.symlink_to(bundle)
    assert bundle_paths([str(odd)]) == {bundle.name: odd}
    with pytest.raises(InvalidInput, match="two bundles are called"):
        bundle_paths([f"a={bundle}", f"a={other}"])
    with pytest.raises(InvalidInput, match="expected a name of 1 to 64"):
        bundle_paths([f"a b={bundle}"])
    with pytest.raises(BundleError):
        bundle_paths(["a=nowhere"])
