"""AdminService: what the server is, what it serves, and replacing that while it serves."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeAlias

import grpc

from linker import limits
from linker.manifest import Manifest, ModelEntry
from linker.requests import check_reload
from linker.server.batching import Batcher
from linker.server.bundles import Bundles, Served
from linker.server.settings import Settings
from linker.v1 import admin_service_pb2 as admin
from linker.v1 import admin_service_pb2_grpc

Context: TypeAlias = grpc.aio.ServicerContext


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """For operators. Answers while the server loads, too."""

    def __init__(self, bundles: Bundles, batcher: Batcher, settings: Settings) -> None:
        self._bundles = bundles
        self._batcher = batcher
        self._started = datetime.now(UTC)
        self._limits = admin.Limits(
            max_mentions_per_request=limits.MAX_MENTIONS,
            max_mention_length=limits.MAX_MENTION_LENGTH,
            max_context_length=limits.MAX_CONTEXT_LENGTH,
            max_message_bytes=limits.MAX_MESSAGE_BYTES,
            max_top_k=limits.MAX_TOP_K,
            max_queued_tokens=settings.max_queued_tokens,
            max_batch_tokens=settings.max_batch_tokens,
            max_in_flight_batches=settings.max_in_flight_batches,
            max_documents_per_request=limits.MAX_DOCUMENTS,
            max_document_length=limits.MAX_DOCUMENT_LENGTH,
        )
        self._limits.default_timeout.FromMilliseconds(round(1000 * settings.default_timeout_s))

    async def GetServerInfo(  # noqa: N802
        self, _request: admin.GetServerInfoRequest, _context: Context
    ) -> admin.GetServerInfoResponse:
        """See the proto."""
        return admin.GetServerInfoResponse(
            server_version=version("medlinker"),
            start_time=self._started,
            uptime=datetime.now(UTC) - self._started,
            limits=self._limits,
            bundles=self._messages(),
            workers=self._batcher.workers,
            queued_tokens=self._batcher.queued,
        )

    async def ListBundles(  # noqa: N802
        self, _request: admin.ListBundlesRequest, _context: Context
    ) -> admin.ListBundlesResponse:
        """See the proto."""
        return admin.ListBundlesResponse(bundles=self._messages())

    async def ReloadBundle(  # noqa: N802
        self, request: admin.ReloadBundleRequest, _context: Context
    ) -> admin.ReloadBundleResponse:
        """See the proto."""
        check_reload(request)
        served = await self._bundles.reload(request.bundle, request.bundle_digest)
        return admin.ReloadBundleResponse(bundle=self._message(served))

    async def RollBackBundle(  # noqa: N802
        self, request: admin.RollBackBundleRequest, _context: Context
    ) -> admin.RollBackBundleResponse:
        """See the proto."""
        check_reload(request)
        return admin.RollBackBundleResponse(bundle=self._message(self._bundles.roll_back(request.bundle)))

    def _messages(self) -> list[admin.Bundle]:
        return [self._message(served) for served in self._bundles.all]

    def _message(self, served: Served) -> admin.Bundle:
        message = admin.Bundle(
            name=served.name,
            is_default=served is self._bundles.all[0],
            state=admin.BUNDLE_STATE_LOADING,
            reload_error=served.reload_error,
        )
        if served.snapshot is not None:
            _describe(served.snapshot.linker.bundle.manifest, message)
            message.state = admin.BUNDLE_STATE_SERVING
            message.digest = served.snapshot.digest
            message.serve_time.FromDatetime(served.since)
        if served.previous is not None:
            message.previous_digest = served.previous.digest
        return message


def _describe(manifest: Manifest, message: admin.Bundle) -> None:
    message.concept_count = manifest.counts["concepts"]
    message.name_count = manifest.counts["names"]
    message.languages.extend(sorted(manifest.languages))
    message.encoder.CopyFrom(_model(manifest.encoder))
    if manifest.reranker:
        message.reranker.CopyFrom(_model(manifest.reranker))


def _model(entry: ModelEntry) -> admin.Model:
    return admin.Model(name=entry.name, digest=entry.digest)
