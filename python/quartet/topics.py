"""
Who of this app's listeners an emit is for.

What always holds: `*` is one token between dots, `>` one or more at the end, nothing else is
special; a listener gets the emits of its own pool only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .messages import Emitted

Listener = TypeVar("Listener", bound=Callable[..., object])


def matches(pattern: str, name: str) -> bool:
    """Whether a name is one that the pattern means."""
    tokens, words = pattern.split("."), name.split(".")
    if tokens[-1] == ">":
        tokens = tokens[:-1]
        if len(words) <= len(tokens):
            return False
        words = words[: len(tokens)]
    if len(tokens) != len(words):
        return False
    return all(token in ("*", word) for token, word in zip(tokens, words, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Listening(Generic[Listener]):
    """One listener and what it listens to."""

    pool: str
    pattern: str
    listener: Listener


class Listeners(Generic[Listener]):
    """All listeners of an app, by pool and pattern."""

    __slots__ = ("_by_pattern",)

    def __init__(self) -> None:
        self._by_pattern: dict[tuple[str, str], list[Listening[Listener]]] = {}

    def add(self, listening: Listening[Listener]) -> None:
        """One more."""
        self._by_pattern.setdefault((listening.pool, listening.pattern), []).append(listening)

    def remove(self, listening: Listening[Listener]) -> bool:
        """
        One less; True when nobody listens to its pattern any more. False, too, if it was not there.
        """
        key = (listening.pool, listening.pattern)
        others = self._by_pattern.get(key, [])
        if listening not in others:
            return False
        others.remove(listening)
        if others:
            return False
        del self._by_pattern[key]
        return True

    def of(self, emitted: Emitted) -> list[Listener]:
        """Whom it is for."""
        return [
            each.listener
            for (pool, pattern), listenings in self._by_pattern.items()
            if pool == emitted.pool and matches(pattern, emitted.name)
            for each in listenings
        ]
