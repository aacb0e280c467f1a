"""
What a program sets up first and is taken back where the server refuses it, so that nothing that
comes before the answer is missed.

What always holds: where it comes to nothing all is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from .topics import Listeners, Listening

_Work = TypeVar("_Work")
_Listener = TypeVar("_Listener", bound=Callable[..., object])


@contextmanager
def working(
    works: dict[tuple[str, str], _Work], trigger: tuple[str, str], work: _Work
) -> Iterator[None]:
    """Has `work` handle a trigger, by pool and name; what did before does again if this raises."""
    before = works.get(trigger)
    works[trigger] = work
    try:
        yield
    except BaseException:
        if before is None:
            works.pop(trigger, None)
        else:
            works[trigger] = before
        raise


@contextmanager
def heard(listeners: Listeners[_Listener], listening: Listening[_Listener]) -> Iterator[None]:
    """Has a listener listen. What is retained comes before the answer to the subscription."""
    listeners.add(listening)
    try:
        yield
    except BaseException:
        listeners.remove(listening)
        raise
