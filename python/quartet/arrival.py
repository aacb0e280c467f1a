"""
The way in over each connection: the handshake, and behind it the requests that let hold again what
held before.

What always holds: nothing else is sent before the handshake is acknowledged; it is over when each
request behind it was answered, well or not; what one connection has begun is nothing to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from .blocks_messages import Asked
from .errors import PoolsError
from .heartbeat import unsaid_heartbeat
from .messages import Outgoing, Plain
from .options import AppOptions
from .proof import claim, encode64
from .restoring import Standing
from .wire import Form

arrival_seconds: Final = 10.0
"""How long it may take in all."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the server says to an app that it lets in."""

    form: Form
    heartbeat: float
    """Seconds."""
    name: str | None
    """The id of this connection, where it is not the app's own."""
    session: object
    shm: Any


class Arrival:
    """One way in, begun anew with each connection."""

    def __init__(
        self,
        options: AppOptions,
        standing: Standing,
        write: Callable[[Outgoing], None],
        next_id: Callable[[], int],
    ) -> None:
        self.restoring: set[int] = set()
        """The requests behind the handshake that are not answered yet."""
        self._options = options
        self._standing = standing
        self._write = write
        self._next_id = next_id
        self._shaking: int | None = None
        self._begun = 0.0

    def begin(self, now: float, token: str | None) -> None:
        """A connection is there: says who this is."""
        self._begun = now
        self._shaking = self._next_id()
        self._write(Plain(self._standing.handshake(self._shaking, token)))

    def cut(self) -> None:
        """The connection has ended."""
        self._shaking = None
        self.restoring.clear()

    @property
    def is_shaking(self) -> bool:
        """Whether the handshake is not acknowledged yet."""
        return self._shaking is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._shaking is None and not self.restoring

    def is_late(self, now: float) -> bool:
        """Whether it takes longer than it may."""
        return not self.is_over and now - self._begun > arrival_seconds

    def is_handshake(self, id: int | None) -> bool:
        """Whether this is the id of the handshake that is not acknowledged yet."""
        return id is not None and id == self._shaking

    def prove(self, challenge: dict[str, Any]) -> PoolsError | None:
        """Signs what the server asks to be signed. Gives why that cannot be, where it cannot."""
        app, key = self._options.app, self._options.key
        if key is None:
            return PoolsError("UNAUTHENTICATED", f"the id {app} is bound to a key")
        signature = encode64(key.sign(claim(app, challenge)))
        auth = {"type": "auth", "correlation_id": str(self._shaking), "signature": signature}
        self._write(Plain(auth))
        return None

    def acknowledged(self, fields: dict[str, Any]) -> Welcome:
        """The handshake is: from now on requests may follow."""
        self._shaking = None
        features = fields.get("features")
        spoken = cast("list[Any]", features) if isinstance(features, list) else []
        beat, session, assigned = (fields.get(at) for at in ("heartbeat_ms", "session", "assigned"))
        self._standing.resume = session.get("resume") if isinstance(session, dict) else None
        return Welcome(
            Form("compact" in spoken, "mixed" in spoken),
            beat / 1000 if isinstance(beat, int) and beat > 0 else unsaid_heartbeat,
            assigned.get("app_id") if isinstance(assigned, dict) else None,
            session,
            fields.get("shm"),
        )

    def restore(self, request: dict[str, Any] | Asked) -> int:
        """Asks for what is to hold again. Gives the id of the request."""
        id = self._next_id()
        self.restoring.add(id)
        if isinstance(request, Asked):
            request.id = id
            self._write(request)
        else:
            self._write(Plain({"type": request["type"], "id": str(id), **request}))
        return id
