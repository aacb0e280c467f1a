"""
What a program asks of the server, as the messages that say it. Shared by both clients.

What always holds: what the server has confirmed is what a reconnect restores; what only tells or
asks, and what says again what holds already, may be sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .blocks_messages import Asked, BlockRef
from .core import Core
from .errors import PoolsError
from .events import Held
from .keys import Keyring
from .messages import Emit, Plain, Start
from .options import CallOptions, Offer, Topic
from .sealed_pools import Entering

request_seconds: Final = 30.0
"""How long a request other than a call waits for its answer."""
_repeatable: Final = frozenset(("join", "members", "set_rights", "epochs"))
_repeatable_of_blocks: Final = frozenset(("attach", "read", "subscribe", "unsubscribe"))


class Desk:
    """Asks one core. Each method gives the id under which the answer comes."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def call(
        self,
        start: tuple[str, Any],
        options: CallOptions,
        now: float,
        *,
        credit: int | None = None,
        parent: Held | None = None,
        has_input: bool = False,
    ) -> tuple[int, float]:
        """
        A call of `start`, trigger and payload; with `credit` a streamed one. Gives its deadline,
        too.
        """
        trigger, payload = start
        deadline = now + options.ttl
        if parent is not None:
            deadline = min(deadline, parent.deadline)
        ref = payload if isinstance(payload, BlockRef) else None
        message = Start(
            0,
            options.pool,
            trigger,
            payload if ref is None else None,
            0,
            options.wire_flags + (() if credit is None else ("stream",)),
            options.to,
            options.affinity,
            options.idempotency_key,
            round(options.wait * 1000),
            credit,
            None if parent is None else parent.called.id,
            options.traceparent or (None if parent is None else parent.called.traceparent),
            options.tracestate or (None if parent is None else parent.called.tracestate),
            plain=options.plain,
            block=ref,
        )
        may_repeat = options.idempotent or options.idempotency_key is not None
        repeats = may_repeat and parent is None and not has_input
        return self._core.ask(message, deadline, now, repeats=repeats), deadline

    def emit(self, emit: Emit, now: float) -> int | None:
        """An emit; an id only where it is flagged `ack`."""
        if "ack" in emit.flags:
            return self._core.ask(emit, now + request_seconds, now)
        self._core.emit(emit)
        return None

    def register(self, offer: Offer, now: float) -> int:
        """A trigger is to be handled here."""
        fields = {"type": "register", "pool": offer.pool, "triggers": [offer.spelled()]}
        is_plain = offer.choices.get("plain", False)
        self._core.sealed.seals.offer(offer.pool, offer.name, plain=is_plain)
        return self._request(fields, now, lambda: self._core.standing.offer(offer))

    def unregister(self, pool: str, name: str, now: float) -> int:
        """It is not any more."""
        self._core.standing.withdraw(pool, name)
        return self._request({"type": "unregister", "pool": pool, "triggers": [name]}, now)

    def subscribe(self, topic: Topic, now: float) -> int:
        """A pattern is to be listened to."""
        fields = {"type": "subscribe", "pool": topic.pool, "topics": [topic.spelled()]}
        return self._request(fields, now, lambda: self._core.standing.listen(topic))

    def unsubscribe(self, pool: str, pattern: str, now: float) -> int:
        """It is not any more."""
        self._core.standing.ignore(pool, pattern)
        return self._request({"type": "unsubscribe", "pool": pool, "topics": [pattern]}, now)

    def pool(self, operation: str, name: str, fields: Mapping[str, Any], now: float) -> int:
        """An operation on a pool."""
        said = {key: value for key, value in fields.items() if value is not None}
        if operation == "join" and self._core.sealed.seals.ring(name) is not None:
            raise _encrypted(name)
        message = Plain({"type": "pool", "operation": operation, "pool": name, **said})
        standing = self._core.standing
        done = {
            "join": lambda: standing.join(name),
            "leave": lambda: standing.leave(name),
            "destroy": lambda: standing.leave(name),
            "create": lambda: self._core.sealed.seals.made(name, fields),
        }.get(operation)
        repeats = operation in _repeatable
        return self._core.ask(message, now + request_seconds, now, repeats=repeats, done=done)

    def enter(
        self, name: str, ring: Keyring, certificate: bytes | None, now: float
    ) -> int:
        """An encrypted pool is to be entered; a reconnect enters it again."""
        self._core.check_open()
        way = Entering(name, ring, certificate, now + request_seconds)
        return self._core.sealed.enter(way, goes=self._core.is_connected)

    def joined(self, name: str, told: Any) -> Any:
        """The answer to a join without keys. Raises NOT_ENCRYPTED where the pool asks for some."""
        if isinstance(told, dict) and told.get("encrypted") is True:
            self._core.standing.leave(name)
            raise _encrypted(name)
        return told

    def keys(self, name: str) -> Keyring:
        """Those of an encrypted pool. Raises NOT_MEMBER where the program has given none."""
        return self._core.sealed.seals.needed(name)

    def walk(self, name: str, operation: str, fields: dict[str, Any], now: float) -> int:
        """An operation on the keys of an encrypted pool, behind what is on its way there."""
        self._core.check_open()
        asked = (name, operation, fields)
        return self._core.sealed.walk(asked, now + request_seconds, goes=self._core.is_connected)

    def block(self, asked: Asked, now: float) -> int | None:
        """A question about a block; None where it only tells of what was written."""
        if asked.operation == "notify" and "generation" in asked.fields:
            return self._core.tell(asked)
        repeats = asked.operation in _repeatable_of_blocks
        return self._core.ask(asked, now + asked.seconds, now, repeats=repeats)

    def admin(
        self, operation: str, target: str | None, params: Mapping[str, Any] | None, now: float
    ) -> int:
        """A question of an administrator, or an order."""
        if operation == "explain" and params is not None:
            params = self._core.sealed.seals.explained(params)
        optional = {"target": target, "params": params}
        said = {key: value for key, value in optional.items() if value is not None}
        message = Plain({"type": "admin", "operation": operation, **said})
        repeats = operation.startswith("list_") or operation in ("explain", "server_status")
        return self._core.ask(message, now + request_seconds, now, repeats=repeats)

    def _request(
        self, fields: dict[str, Any], now: float, done: Callable[[], None] | None = None
    ) -> int:
        return self._core.ask(Plain(fields), now + request_seconds, now, repeats=True, done=done)


def _encrypted(name: str) -> PoolsError:
    return PoolsError("NOT_ENCRYPTED", f"pool {name} is encrypted: join it with its keys")


def flagged(flags: Iterable[str], **ours: bool) -> tuple[str, ...]:
    """The flags of an emit: those of ours that are set, then `flags`."""
    return (*(word for word, is_set in ours.items() if is_set), *flags)


def explained(payload: Any, options: CallOptions) -> dict[str, Any]:
    """The fields of a call, as the question who would get it has them."""
    optional = {
        "pool": options.pool,
        "destination": options.to,
        "affinity": options.affinity,
        "payload": payload,
        "ttl": round(options.ttl * 1000),
    }
    return {name: value for name, value in optional.items() if value is not None}
