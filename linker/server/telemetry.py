"""Who is told of a server's work: metrics always; by choice the log, an audit log, traces and a port for metrics."""

from __future__ import annotations

from linker.server.audit import AuditLog
from linker.server.calls import CallLog, CallObserver
from linker.server.metrics import Metrics, MetricsPort
from linker.server.settings import LogLevel, Settings
from linker.server.tracing import Tracing


class Telemetry:
    """Opens what is to be told, and closes it when the server has stopped."""

    def __init__(self, settings: Settings) -> None:
        """Raises `InvalidInput` naming the option of what cannot be opened."""
        self.metrics = Metrics()
        self._settings = settings
        self._audit = AuditLog(settings.audit_log) if settings.audit_log else None
        self._tracing = Tracing() if settings.tracing else None
        self._port: MetricsPort | None = None

    @property
    def of_calls(self) -> tuple[CallObserver, ...]:
        """Those that are told of each call. The audit log comes first: nothing of another can keep a line from it."""
        log = CallLog() if self._settings.log_level is LogLevel.DEBUG else None
        return tuple(told for told in (self._audit, self.metrics, self._tracing, log) if told is not None)

    @property
    def metrics_address(self) -> str:
        """Where metrics are served, empty where they are not."""
        return self._port.address if self._port else ""

    def listen(self) -> None:
        """Serve metrics, if they are to be served. Raises `InvalidInput`."""
        if self._settings.metrics_port is not None:
            self._port = MetricsPort(self.metrics, host=self._settings.metrics_host, port=self._settings.metrics_port)

    def close(self) -> None:
        """Close everything."""
        for opened in (self._port, self._tracing, self._audit):
            if opened is not None:
                opened.close()
