"""Links with a server, in a process that needs neither models nor a bundle.

from linker.client import LinkerClient

with LinkerClient("127.0.0.1:50051") as client:
    for link in client.link(["heart attack"]):
        print(link.concept)
"""

from linker.client.answers import (
    AnnotatedBatch,
    CodeMapping,
    CodeStatus,
    Concept,
    LinkedBatch,
    MappedConcept,
    Provenance,
    Timing,
)
from linker.client.asynchronous import AsyncLinkerClient
from linker.client.blocking import LinkerClient
from linker.client.errors import (
    DeadlineExceeded,
    NotAllowed,
    Overloaded,
    ServerFault,
    ServiceError,
    TooLarge,
    Unavailable,
    WrongBundle,
)
from linker.client.settings import TLS, Settings

__all__ = [
    "TLS",
    "AnnotatedBatch",
    "AsyncLinkerClient",
    "CodeMapping",
    "CodeStatus",
    "Concept",
    "DeadlineExceeded",
    "LinkedBatch",
    "LinkerClient",
    "MappedConcept",
    "NotAllowed",
    "Overloaded",
    "Provenance",
    "ServerFault",
    "ServiceError",
    "Settings",
    "Timing",
    "TooLarge",
    "Unavailable",
    "WrongBundle",
]
