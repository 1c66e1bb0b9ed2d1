"""Who makes a call, and whether they may.

Two doors, either or both: a client certificate, which TLS has checked before any call; and a bearer token, which each
call carries and which says what it is for. Health is open to all, for the probes of orchestrators.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from linker.server.errors import Forbidden
from linker.server.tokens import Scope, Tokens

SCOPES: Mapping[str, Scope] = {
    "linker.v1.LinkingService": Scope.LINK,
    "linker.v1.TerminologyService": Scope.READ,
    "linker.v1.AdminService": Scope.ADMIN,
}
OPEN = frozenset({"grpc.health.v1.Health"})


class Access:
    """Lets calls in. tokens: None asks for none."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def admit(self, method: str, context: grpc.aio.ServicerContext) -> str:
        """Who makes the call: `key:ID`, `certificate:SUBJECT`, both, or neither.

        Raises `Unauthenticated` or `Forbidden`, also for a service that nobody has given a scope.
        """
        service = method.split("/")[1]
        names = [f"certificate:{subject}"] if (subject := _subject(context)) else []
        if self._tokens is not None and service not in OPEN:
            sent = (str(value) for name, value in context.invocation_metadata() or () if name == "authorization")
            key = self._tokens.authenticate(sent)
            scope = SCOPES.get(service)
            if scope not in key.scopes:
                raise Forbidden(f"this token is not for that: it lacks the scope {scope or 'of this service'}")
            names.append(f"key:{key.key_id}")
        return " ".join(names)


def _subject(context: grpc.aio.ServicerContext) -> str:
    """The subject of the client's certificate, empty without one."""
    subjects = context.auth_context().get("x509_subject", ())
    return subjects[0].decode("utf-8", "replace") if subjects else ""
