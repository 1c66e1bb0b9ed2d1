"""Who makes a call, and whether they may.

Two doors, either or both: a client certificate, which TLS has checked before any call; and a bearer token, which each
call carries and which says what it is for. Health is open to all, for the probes of orchestrators.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from linker.server.errors import Forbidden
from linker.server.tokens import Key, Scope, Tokens

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

    def identify(self, method: str, context: grpc.aio.ServicerContext) -> Key | None:
        """The key that a call was made with; None where none is asked for. Raises `Unauthenticated`."""
        if self._tokens is None or _service(method) in OPEN:
            return None
        sent = (str(value) for name, value in context.invocation_metadata() or () if name == "authorization")
        return self._tokens.authenticate(sent)


def check_scope(method: str, key: Key) -> None:
    """Raise `Forbidden` unless the key opens the method; none opens a service that nobody has given a scope."""
    scope = SCOPES.get(_service(method))
    if scope not in key.scopes:
        raise Forbidden(f"this token is not for that: it lacks the scope {scope or 'of this service'}")


def certificate_subject(context: grpc.aio.ServicerContext) -> str:
    """The subject of the client's certificate, empty without one."""
    subjects = context.auth_context().get("x509_subject", ())
    return subjects[0].decode("utf-8", "replace") if subjects else ""


def _service(method: str) -> str:
    return method.split("/")[1]
