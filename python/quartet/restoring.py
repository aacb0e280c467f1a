"""
What of an app outlives its connection: pools, triggers, topics, and the secret to resume with.

What always holds: only what the server has confirmed is here, so nothing is asked for again that
was refused; all of it is bounded by what the server admits.
"""

from __future__ import annotations

from typing import Any, Final

from .options import AppOptions, Offer, Topic
from .proof import encode64

version: Final = "1.0"


class Standing:
    """What one app has at the server."""

    __slots__ = ("_joined", "_offers", "_options", "_pools", "_topics", "resume")

    def __init__(self, options: AppOptions) -> None:
        self._options = options
        self._pools: dict[str, None] = dict.fromkeys(options.pools)
        self._joined: dict[str, None] = {}
        self._offers: dict[tuple[str, str], Offer] = {}
        self._topics: dict[tuple[str, str], Topic] = {}
        self.resume: str | None = None

    def offer(self, offer: Offer) -> None:
        """A trigger is handled from now on."""
        self._offers[offer.pool, offer.name] = offer

    def withdraw(self, pool: str, name: str) -> None:
        """It is not any more."""
        self._offers.pop((pool, name), None)

    def listen(self, topic: Topic) -> None:
        """A pattern is listened to from now on."""
        self._topics[topic.pool, topic.pattern] = topic

    def ignore(self, pool: str, pattern: str) -> None:
        """It is not any more."""
        self._topics.pop((pool, pattern), None)

    def join(self, pool: str) -> None:
        """A member of this pool from now on."""
        if pool not in self._pools:
            self._joined[pool] = None

    @property
    def joined(self) -> tuple[str, ...]:
        """The pools it has joined since it connected."""
        return tuple(self._joined)

    def leave(self, pool: str) -> None:
        """Not a member any more, and nothing of it is kept."""
        self._pools.pop(pool, None)
        self._joined.pop(pool, None)
        self._offers = {key: offer for key, offer in self._offers.items() if offer.pool != pool}
        self._topics = {key: topic for key, topic in self._topics.items() if topic.pool != pool}

    def handshake(self, id: int, token: str | None) -> dict[str, Any]:
        """The message that says who it is."""
        options = self._options
        fields: dict[str, Any] = {
            **{"type": "handshake", "id": str(id), "app_id": options.app},
            **{"protocol_version": version, "features": list(options.features)},
            "pools": list(self._pools),
        }
        optional = {
            "metadata": options.metadata,
            "public_key": None if options.key is None else encode64(options.key.public_key),
            "token": token,
            "resume": self.resume,
            "rehydrate": options.rehydrate or None,
            "instances": options.instances or None,
        }
        return fields | {name: value for name, value in optional.items() if value is not None}

    def requests(self) -> list[dict[str, Any]]:
        """
        What joins, registers and subscribes again, by pool. Not a part of the handshake: where one
        of it is refused since, all else still holds.
        """
        triggers: dict[str, list[Any]] = {}
        for offer in self._offers.values():
            triggers.setdefault(offer.pool, []).append(offer.spelled())
        topics: dict[str, list[Any]] = {}
        for topic in self._topics.values():
            topics.setdefault(topic.pool, []).append(topic.spelled())
        return [
            *({"type": "pool", "operation": "join", "pool": pool} for pool in self._joined),
            *({"type": "register", "pool": at, "triggers": each} for at, each in triggers.items()),
            *({"type": "subscribe", "pool": at, "topics": each} for at, each in topics.items()),
        ]
