"""
What apps ask and hear of blocks of shared memory, whatever form it came in or leaves in.

What always holds: a question names its block by pool and id, or by the number of an attachment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class BlockRef:
    """
    A part of one generation of a block, to be sent instead of its bytes. `block` is its uuid;
    length 0: to its end.
    """

    block: str
    generation: int
    offset: int = 0
    length: int = 0


class Named(Protocol):
    """A block, as questions name it."""

    pool: str
    id: str

    @property
    def number(self) -> int | None:
        """Of the attachment; None while there is none."""
        ...


@dataclass(slots=True)
class Asked:
    """A question about a block. `seconds` is how long its answer may take."""

    operation: str
    block: Named
    fields: dict[str, Any]
    data: bytes | bytearray | memoryview | None = None
    content_type: int | None = None
    id: int = 0
    seconds: float = 30.0
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """
    What a block holds, as the server answers it. `type` is a number; `time` µs since 1970, which a
    compact frame does not say.
    """

    type: int
    data: bytes
    generation: int
    time: int = 0


@dataclass(frozen=True, slots=True)
class BlockNotice:
    """
    What is told of a block: a new generation, something of an app's own (`payload`), or an `event`
    of the block itself: "replaced", "sealed", "retired", "integrity", "detached".

    `writer` is the app that wrote or told; `lost` is how many generations before it were not told;
    `data` is the content where the subscription asked for it and it was short enough.
    """

    generation: int
    length: int
    writer: str = ""
    lost: int = 0
    data: bytes | None = None
    content_type: str | None = None
    payload: Any = None
    event: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(slots=True)
class Notified:
    """A notice, to one of our attachments."""

    attachment: int
    notice: BlockNotice
