"""Logs without clinical text: JSON lines on standard error, or coloured ones on a terminal.

Two rules keep text out. A field is dropped unless its name is on the list below; and of an exception, only its class
and the places it passed through are written, never its message, which may quote a note. The logs of libraries go
through the same rules, so their messages are reduced to where they were written.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from linker.errors import LinkerError

FIELDS = frozenset(
    {
        *("event", "level", "timestamp", "request_id"),
        *(
            "address",
            "admin_address",
            "metrics_address",
            "bundle",
            "bundle_digest",
            "grace_s",
            "server_version",
            "workers",
        ),
        *("client", "duration_ms", "items", "method", "status"),
        *("error", "frames", "library", "place", "problem"),
    }
)
MAX_FRAMES = 20


def configure(stream: TextIO | None = None, *, level: str = "info") -> None:
    """Send the logs of this process, those of libraries included, to `stream` (standard error).

    level: debug, info or warning.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    sink = stream or sys.stderr
    renderer = structlog.dev.ConsoleRenderer() if sink.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the request id of the call that is being answered
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_safe_fields,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sink),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=min(least, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda raised: log_error("unraisable exception", raised.exc_value)
    threading.excepthook = lambda raised: log_error("exception in a thread", raised.exc_value)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody awaited on `loop` by the same rules."""
    loop.set_exception_handler(lambda _, context: log_error("exception in the event loop", context.get("exception")))


def keep_safe_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop every field that is not on the list: the one place that decides what a log line may hold."""
    return {name: value for name, value in event.items() if name in FIELDS}


def log(event: str, **fields: str | float) -> None:
    """Write one line. `event` is a fixed text; fields that are not on the list are dropped."""
    structlog.get_logger().info(event, **fields)


def log_detail(event: str, **fields: str | float) -> None:
    """As `log`, at debug level."""
    structlog.get_logger().debug(event, **fields)


def log_problem(event: str, error: LinkerError) -> None:
    """Write one line for an error in a file of the operator's, whose message says where and quotes no request."""
    structlog.get_logger().warning(event, problem=str(error))


def log_error(event: str, error: BaseException | None, **fields: str | float) -> None:
    """Write one line for an exception: the class of its root cause, and where it came from."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    traceback = error.__traceback__ if error is not None else None
    structlog.get_logger().error(event, error=_class_name(error), frames=_frames(traceback), **fields)


def _class_name(error: BaseException | None) -> str:
    return "" if error is None else f"{type(error).__module__}.{type(error).__qualname__}"


def _frames(traceback: TracebackType | None) -> list[str]:
    """`file:line:function` of each frame, outermost first, files by their last two names; no local variables."""
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = "/".join(PurePath(code.co_filename).parts[-2:])
        frames.append(f"{file}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    return frames[-MAX_FRAMES:]


def _log_uncaught(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    log_error("uncaught exception", error)


class _LibraryHandler(logging.Handler):
    """Logs of libraries, gRPC's and asyncio's among them. Their messages quote exceptions, so they are left out."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"library": record.name, "place": f"{record.filename}:{record.lineno}"}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            log_error("message of a library", error, **fields)
        else:
            structlog.get_logger().log(record.levelno, "message of a library", **fields)
