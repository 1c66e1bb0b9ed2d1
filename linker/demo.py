"""`python -m linker.demo [BUNDLE]`: an invented note through a server of its own, from start to clean stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from rich.text import Text

from linker.bundles import DEFAULT, bundle_path
from linker.cli.link import links_table
from linker.console import stderr, stdout
from linker.errors import LinkerError
from linker.options import Options
from linker.records import Mention
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.wire import link_request, links_of

START_S = 60.0
STOP_S = 30.0
CALL_S = 30.0
# Mentions stand between brackets. Nobody's note: it was written for this page. The band is nobody's either, so that
# one mention has no concept.
MARKED = (
    "62-year-old man with [type 2 diabetes mellitus] and [high blood pressure], [heart attack] in 2019 treated with a "
    "[stent]. Three days of [shortness of breath] and [swollen ankles]; no [chest pain], no [fever]. Irregular pulse, "
    "known [atrial fibrillation]. Takes [metformin] 850 mg twice daily and [warfarin]. [Chronic kidney disease], stage "
    "3. Allergic to [penicillin]. Plays in the [Blue Harbour Brass Band]."
)


class DemoFailed(LinkerError):
    """The server did not do what it should."""


def marked_note(marked: str) -> tuple[str, list[Mention]]:
    """The note without its brackets, and the mentions that stood between them, each with its sentence as context."""
    note, spans = "", []
    for position, part in enumerate(marked.replace("]", "[").split("[")):
        if position % 2:
            spans.append((len(note), len(note) + len(part)))
        note += part
    return note, [_in_sentence(note, begin, end) for begin, end in spans]


def _in_sentence(note: str, begin: int, end: int) -> Mention:
    first = note.rfind(". ", 0, begin) + 2 if ". " in note[:begin] else 0
    past = note.find(". ", end) + 1 or len(note)
    return Mention(note[begin:end], note[first:past], begin - first, end - first)


@contextmanager
def serving(bundle: Path) -> Iterator[str]:
    """A server of `bundle` in a process of its own; gives its address. Raises `DemoFailed` unless it stops cleanly."""
    command = [sys.executable, "-m", "linker", "serve", "--bundle", str(bundle), "--port", "0", "--admin-port", "0"]
    # Our own interpreter, module and bundle. Logs are kept, to be shown if something goes wrong.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101 - PIPE above
            line = process.stdout.readline()
            if not line.startswith("Serving on "):
                raise DemoFailed(f"the server did not start: {process.communicate()[1].strip()}")
            stderr.print(line.strip(), highlight=False, soft_wrap=True)
            yield line.split()[2]
            process.send_signal(signal.SIGTERM)
            if process.wait(STOP_S) != 0:
                raise DemoFailed(f"the server ended with exit code {process.returncode} after SIGTERM, expected 0")
        finally:
            if process.poll() is None:
                process.kill()


def wait_until_serving(channel: grpc.Channel) -> None:
    """Return once health says SERVING. Raises `DemoFailed` if it does not for a minute."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        for response in stub.Watch(health_pb2.HealthCheckRequest(), timeout=START_S, wait_for_ready=True):
            if response.status == health_pb2.HealthCheckResponse.SERVING:
                return
    except grpc.RpcError as error:
        raise DemoFailed(f"the server's health was not SERVING within {START_S:.0f} s: {error.code()}") from error


def show(console: Console, note: str, mentions: Sequence[Mention], response: LinkMentionsResponse) -> None:
    """Print the note, a table of its links, and where they come from."""
    console.print(Text("A note, invented:", "bold"))
    console.print(Text(note), width=100)
    console.print()
    console.print(links_table(links_of(response, mentions), best_only=True))
    console.print()
    provenance, timing = response.provenance, response.timing
    steps = {
        "waiting": timing.queue_duration,
        "encoding": timing.encode_duration,
        "search": timing.search_duration,
        "reranking": timing.rerank_duration,
        "in all": timing.total_duration,
    }
    spent = ", ".join(f"{step} {_milliseconds(duration):.1f} ms" for step, duration in steps.items())
    console.print(Text(f"bundle {provenance.bundle_digest}, server {provenance.server_version}"))
    console.print(Text(f"{len(mentions)} mentions in one call: {spent}"))


def _milliseconds(duration: Duration) -> float:
    return float(duration.ToNanoseconds()) / 1e6


def demo(bundle: str) -> None:
    """Start a server of `bundle`, link the note's mentions through it, show the answer, and stop it."""
    started = time.monotonic()
    note, mentions = marked_note(MARKED)
    with serving(bundle_path(bundle)) as address, grpc.insecure_channel(address) as channel:
        wait_until_serving(channel)
        response = LinkingServiceStub(channel).LinkMentions(link_request(mentions, Options()), timeout=CALL_S)
        show(stdout(), note, mentions, response)
    stderr.print(f"The server stopped cleanly. {time.monotonic() - started:.1f} s from start to stop.", highlight=False)


def main() -> int:
    """Run the demo on the bundle named on the command line, or on the starter bundle. The exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        demo(sys.argv[1] if len(sys.argv) > 1 else DEFAULT)
    except LinkerError as error:
        stderr.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
