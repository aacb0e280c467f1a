"""
Signs of life of the other end of a connection.

What always holds: one that is silent for a heartbeat is asked for a sign once in each; after three
it is taken for dead. Times are seconds.
"""

from __future__ import annotations

from typing import Final

unsaid_heartbeat: Final = 15.0
"""Until the server has said its own."""
_silent_heartbeats: Final = 3


class Heartbeat:
    """When the other end was heard of."""

    __slots__ = ("_asked", "_heard", "seconds")

    def __init__(self) -> None:
        self.seconds = unsaid_heartbeat
        self._heard = self._asked = 0.0

    def heard(self, now: float) -> None:
        """Something has come, if only the connection itself."""
        self._heard = now

    def is_silent(self, now: float) -> bool:
        """Whether it is to be taken for dead."""
        return now - self._heard > _silent_heartbeats * self.seconds

    def is_due(self, now: float) -> bool:
        """Whether it is to be asked for a sign, which then is taken to be done."""
        is_due = now - max(self._heard, self._asked) > self.seconds
        if is_due:
            self._asked = now
        return is_due
