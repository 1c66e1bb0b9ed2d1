"""What the Dockerfile and the manifests name is there: files, variables, ports, options, metrics."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from linker.cli import main
from linker.server.metrics import Metrics
from linker.server.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
LABELS = {"app.kubernetes.io/name": "linker"}
NOT_SETTINGS = {"LINKER_BUNDLE"}  # an option of the command alone


def stage(name: str) -> str:
    """The instructions of one stage, with continued lines joined and without comments."""
    joined = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    [found] = [part for part in joined.split("\nFROM ") if f" AS {name}\n" in part]
    return found


def image_variables() -> dict[str, str]:
    [line] = re.findall(r"^ENV (.*)$", stage("server"), flags=re.MULTILINE)
    return dict(word.split("=", 1) for word in shlex.split(line))


def resource(kind: str) -> Any:
    [found] = [d for path in BASE.glob("*.yaml") if (d := yaml.safe_load(path.read_text()))["kind"] == kind]
    return found


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
ENVOY = yaml.safe_load((DEPLOY / "envoy" / "envoy.yaml").read_text())["static_resources"]
POD = resource("Deployment")["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
POD_VARIABLES = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}
COMPOSE_VARIABLES = COMPOSE["services"]["linker"]["environment"]


@pytest.mark.parametrize("more", [POD_VARIABLES, COMPOSE_VARIABLES], ids=["pod", "compose"])
def test_variables_are_settings_that_a_server_takes(more: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (variables := {**image_variables(), **more}).items():
        if name.startswith("LINKER_"):
            assert name in NOT_SETTINGS or name.removeprefix("LINKER_").lower() in Settings.model_fields
            monkeypatch.setenv(name, value)
    settings = read_settings({})
    assert (settings.host, settings.port) == ("0.0.0.0", 50051)
    assert str(settings.metrics_port) == variables["LINKER_METRICS_PORT"]
    assert settings.tls_cert is not None or more is COMPOSE_VARIABLES


def test_nothing_but_the_example_on_one_machine_serves_in_plain_text() -> None:
    assert "LINKER_INSECURE" not in DOCKERFILE.replace("-e LINKER_INSECURE=true", "")
    assert "LINKER_INSECURE" not in POD_VARIABLES


def commands() -> Iterator[list[str]]:
    """Every command of ours that something runs."""
    yield ["linker", *CONTAINER["args"]]
    yield CONTAINER["startupProbe"]["exec"]["command"]
    yield CONTAINER["readinessProbe"]["exec"]["command"]
    yield COMPOSE["services"]["linker"]["healthcheck"]["test"][1:]
    yield yaml.safe_load(re.findall(r"HEALTHCHECK.*CMD (\[.*\])", stage("server"))[0])
    yield ["linker", *yaml.safe_load(re.findall(r"^CMD (\[.*\])", stage("server"), flags=re.MULTILINE)[0])]
    yield from (shlex.split(found) for found in re.findall(r"/(linker [a-z].*?)(?: &&|\n)", stage("build")))


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_commands_have_these_options(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*command, "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert (stop.value.code, command[0]) == (0, "linker")


def test_ports_are_the_same_everywhere() -> None:
    image = image_variables()
    grpc, metrics = int(image["LINKER_PORT"]), int(image["LINKER_METRICS_PORT"])
    assert re.findall(r"^EXPOSE (.*)$", stage("server"), flags=re.MULTILINE) == [f"{grpc} {metrics}"]
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"grpc": grpc, "metrics": metrics}
    assert [port["port"] for port in resource("Service")["spec"]["ports"]] == [grpc]
    annotations = resource("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(metrics)
    [cluster] = ENVOY["clusters"]
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "linker", "port_value": grpc}
    listened = ENVOY["listeners"][0]["address"]["socket_address"]["port_value"]
    assert COMPOSE["services"]["envoy"]["ports"] == [f"127.0.0.1:{listened}:{listened}"]
    used = {port["port"] for rule in resource("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert used == ports.keys()
    for probe in (CONTAINER["startupProbe"], CONTAINER["readinessProbe"]):
        assert probe["exec"]["command"][2] == f"127.0.0.1:{grpc}"


def test_what_is_selected_is_there() -> None:
    deployment = resource("Deployment")["spec"]
    assert deployment["template"]["metadata"]["labels"] == deployment["selector"]["matchLabels"] == LABELS
    assert resource("Service")["spec"]["selector"] == LABELS
    for kind, key in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert resource(kind)["spec"][key]["matchLabels"] == LABELS
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in BASE.iterdir()}
    mounted = {volume["name"]: volume["mountPath"] for volume in CONTAINER["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in POD["volumes"]}
    named = (*POD_VARIABLES.values(), *CONTAINER["readinessProbe"]["exec"]["command"])
    for path in (value for value in named if value.startswith("/")):
        assert any(path.startswith(f"{mount}/") for mount in mounted.values())


def test_scaling_is_by_a_metric_that_is_exported() -> None:
    [metric] = resource("HorizontalPodAutoscaler")["spec"]["metrics"]
    exported = generate_latest(Metrics().registry).decode()
    assert f"# TYPE {metric['pods']['metric']['name']} gauge" in exported
    wanted = int(metric["pods"]["target"]["averageValue"])
    assert wanted < Settings.model_fields["max_queued_tokens"].default / 4  # scales long before calls are refused


def test_calls_have_the_time_to_end() -> None:
    grace = float(POD_VARIABLES["LINKER_GRACE_S"])
    pause = float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] >= grace + pause + 10
    stop = float(COMPOSE["services"]["linker"]["stop_grace_period"].removesuffix("s"))
    assert stop >= float(COMPOSE_VARIABLES["LINKER_GRACE_S"]) + 10


def test_nothing_runs_as_root_or_writes() -> None:
    assert re.findall(r"^USER (.*)$", stage("server"), flags=re.MULTILINE) == ["10001:10001"]
    assert (POD["securityContext"]["runAsNonRoot"], POD["securityContext"]["runAsUser"]) == (True, 10001)
    assert not POD["automountServiceAccountToken"]
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for service in COMPOSE["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_has_what_it_copies_and_no_compiler() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert ignored[0] == "*"
    for source in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists()
            assert f"!{path}" in ignored
    for final in ("server", "envoy"):
        assert not re.search(r"\b(apt|apk|pip|gcc)\b", stage(final))
    assert "-slim AS server" in DOCKERFILE


def test_the_overlay_for_a_bundle_of_ones_own() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / "kubernetes" / "own-bundle"], capture_output=True, text=True, check=True
    )
    [pod] = [d for d in yaml.safe_load_all(done.stdout) if d["kind"] == "Deployment"]
    [container] = pod["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert variables == {**POD_VARIABLES, "LINKER_BUNDLE": "/bundle"}
    assert {"name": "bundle", "mountPath": "/bundle", "readOnly": True} in container["volumeMounts"]
    assert container["image"] == "linker:local"
