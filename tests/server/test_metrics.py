from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import grpc
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from linker.documents import annotate_request, document_message
from linker.errors import InvalidInput
from linker.notes import Note
from linker.options import Options
from linker.pipeline import Timings
from linker.records import Mention
from linker.server.calls import Call
from linker.server.metrics import STAGES, Metrics, MetricsPort
from linker.wire import link_request

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/linker.json"
LINK = "/linker.v1.LinkingService/LinkMentions"
MARKER = "Zyx987Canary"


def scraped(address: str) -> str:
    with urlopen(f"http://{address}/metrics", timeout=10) as response:
        return response.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and label values, these by name of the label."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, tuple(value for _, value in sorted(one.labels.items()))): one.value for one in found}


def test_calls_and_batches_are_counted(start: Callable[..., Any]) -> None:
    running = start(metrics_port=0)
    running.linking.LinkMentions(link_request([Mention("MI"), Mention(f"{MARKER} of the heart")], Options()))
    for _ in range(2):
        with pytest.raises(grpc.RpcError):
            running.linking.LinkMentions(link_request([], Options()))
    text = scraped(running.server.telemetry.metrics_address)
    found = samples(text)
    assert found["linker_calls_total", ("OK", LINK)] == 1
    assert found["linker_calls_total", ("INVALID_ARGUMENT", LINK)] == 2
    assert found["linker_calls_active", (LINK,)] == 0
    assert found["linker_items_total", (LINK,)] == 2
    assert found["linker_call_seconds_count", (LINK,)] == 3
    assert found["linker_mentions_linked_total", ()] == 2
    assert found["linker_batch_mentions_sum", ()] == 2
    assert found["linker_batch_tokens_sum", ()] >= 2
    assert found["linker_queue_tokens", ()] == 0
    assert found["linker_queue_tokens_limit", ()] > 0
    assert {stage for stage in STAGES if found["linker_stage_seconds_count", (stage,)] == 1} == {*STAGES} - {"detect"}
    [digest] = [labels[1] for name, labels in found if name == "linker_bundle_info"]
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert found["process_open_fds", ()] > 0
    assert MARKER not in text


def test_documents_are_counted(start: Callable[..., Any]) -> None:
    running = start(metrics_port=0)
    running.linking.AnnotateDocuments(
        annotate_request([document_message(Note(f"{MARKER}, no MI")), document_message(Note(""))], Options())
    )
    text = scraped(running.server.telemetry.metrics_address)
    found = samples(text)
    assert found["linker_items_total", ("/linker.v1.LinkingService/AnnotateDocuments",)] == 2
    assert found["linker_mentions_linked_total", ()] == found["linker_batch_mentions_count", ()] == 1
    assert found["linker_stage_seconds_count", ("detect",)] in (1, 2)  # in one batch, or each in its own
    assert found["linker_stage_seconds_count", ("encode",)] == 1
    assert MARKER not in text


def test_labels_are_closed(start: Callable[..., Any]) -> None:
    """Whatever clients send, the number of time series stays as it is."""
    running = start(metrics_port=0)

    def series() -> set[tuple[str, tuple[str, ...]]]:
        return set(samples(scraped(running.server.telemetry.metrics_address)))

    def call(method: str, metadata: list[tuple[str, str]]) -> None:
        with pytest.raises(grpc.RpcError):
            running.channel.unary_unary(method)(b"\xff", metadata=metadata, timeout=10)

    call(LINK, [])
    call(f"/{MARKER}/x", [])
    before = series()
    for row in range(50):
        call(f"/{MARKER}{row}/x", [])
        call(LINK, [("x-request-id", f"{MARKER}{row}"), ("user-agent", MARKER), ("traceparent", MARKER)])
    assert series() == before


def test_no_port_unless_asked_for(start: Callable[..., Any]) -> None:
    assert start().server.telemetry.metrics_address == ""


def test_the_port_closes(start: Callable[..., Any]) -> None:
    port = MetricsPort(Metrics(), host="127.0.0.1", port=0)
    assert "linker_calls_total" in scraped(port.address)
    with pytest.raises(
        InvalidInput, match=r"^--metrics-port: cannot listen on 127\.0\.0\.1:\d+ \(Address already in use"
    ):
        MetricsPort(Metrics(), host="127.0.0.1", port=int(port.address.rpartition(":")[2]))
    port.close()
    with pytest.raises(URLError):
        scraped(port.address)


def test_what_the_batcher_tells() -> None:
    metrics = Metrics()
    metrics.refused(tokens=7)
    metrics.expired(mentions=2)
    metrics.cancelled(mentions=3)
    metrics.batch_formed(mentions=4, tokens=20, waited_s=[0.1, 0.2])
    metrics.batch_done(mentions=4, reranked=1, timings=Timings(10**9, 0, 0, 0, 2))
    metrics.batch_failed(mentions=5)
    waiting = [3]
    metrics.watch_queue(lambda: waiting[0], 100)
    metrics.show_bundles([("old", "1")])
    metrics.show_bundles([("starter", "2")])
    found = samples(generate_latest(metrics.registry).decode())
    assert found["linker_calls_refused_total", ()] == 1
    assert found["linker_tokens_refused_total", ()] == 7
    assert found["linker_mentions_expired_total", ()] == 2
    assert found["linker_mentions_cancelled_total", ()] == 3
    assert found["linker_mentions_reranked_total", ()] == 1
    assert found["linker_mentions_cached_total", ()] == 2
    assert found["linker_mentions_failed_total", ()] == 5
    assert found["linker_stage_seconds_count", ("queue",)] == 2
    assert found["linker_stage_seconds_sum", ("encode",)] == 1
    assert (found["linker_queue_tokens", ()], found["linker_queue_tokens_limit", ()]) == (3, 100)
    assert [labels for name, labels in found if name == "linker_bundle_info"] == [("starter", "2")]


def names_in(queries: list[str]) -> set[str]:
    """Names of metrics in PromQL: what is neither a function, a label nor a word of the language."""
    bare = [re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|(by|without|on)\s*\([^)]*\)', " ", query) for query in queries]
    found = {name for query in bare for name in re.findall(r"\b([a-z_:][a-z0-9_:]*)\b(?!\s*\()", query)}
    return found - {"by", "without", "on", "and", "or", "unless", "bool", "offset", "ignoring", "group_left"}


def exported_names() -> set[str]:
    metrics = Metrics()
    call = Call(LINK, "")
    metrics.call_began(call)
    metrics.call_ended(call)
    metrics.show_bundles([("starter", "1")])
    metrics.watch_certificate(lambda: 0.0)
    return {name for name, _ in samples(generate_latest(metrics.registry).decode())}


def bare(names: set[str]) -> set[str]:
    """Our own metrics, without what a kind of metric adds to the name."""
    return {re.sub(r"_(total|count|sum|bucket|created)$", "", name) for name in names if name.startswith("linker_")}


def test_the_page_has_every_metric() -> None:
    page = (DASHBOARD.parents[2] / "docs/observability.md").read_text()
    assert bare(set(re.findall(r"\blinker_[a-z_]+", page))) == bare(exported_names())


def test_every_metric_of_the_dashboard_is_exported() -> None:
    exported = exported_names()
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert all(panel["targets"] and panel["title"] for panel in panels)
    used = names_in(queries)
    assert used <= exported, f"not exported: {sorted(used - exported)}"
    # The dashboard shows all that the server tells of its work.
    assert bare(exported) <= bare(used), f"not shown: {sorted(bare(exported) - bare(used))}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
