"""
Calls, streams and emits between processes, over a Quartet server.

    import quartet

    app = quartet.connect("tcp://127.0.0.1:45227", app="web")
    app.call("resize", {"w": 100}, ttl=5.0)

`quartet.aio` has the same for asyncio. Everything that goes wrong is a `PoolsError`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from . import aio
from .address import parsed
from .blocks import Block, Lock, Pinned, Ring
from .blocks_messages import BlockNotice, BlockRef
from .blocks_slots import Snapshot, Written
from .calls import Pending, Stream
from .client import App
from .errors import PoolsError
from .handled import Unavailable
from .handling import Call
from .keys import Keyring
from .keys_shapes import LentKeys, PoolKeys
from .messages import Emitted
from .options import AppOptions, Signer
from .payload import Content
from .pool import Pool
from .proof import AppKey
from .ring import RingRecord


def connect(
    address: str,
    *,
    app: str,
    pools: Sequence[str] = ("default",),
    key: Signer | None = None,
    token: str | Callable[[], str] | None = None,
    instances: bool = False,
    rehydrate: bool = False,
    metadata: Mapping[str, Any] | None = None,
    features: Sequence[str] = ("compact", "mixed"),
    tls: ssl.SSLContext | None = None,
    patient: bool = False,
    map: Literal["auto", "off"] = "auto",
    workers: int = 32,
) -> App:
    """
    Connects an app and waits until the server has acknowledged it.

    `address` is `tcp://host:port`, `tls://host:port` or `unix:/path`. `key` or `token` prove the
    id; `instances` lets several connections share it; `rehydrate` restores what the server stored
    for it. `patient` keeps trying where no server answers yet. `workers` is how many calls are
    handled at a time. Raises PoolsError when it is refused or nobody answers, ValueError for an
    address that is none.
    """
    options = AppOptions(
        app, tuple(pools), key, token, instances, rehydrate, metadata, tuple(features), tls, patient,
        map,
    )
    made = App(parsed(address), options, workers)
    made.start()
    return made


__all__ = [
    "App",
    "AppKey",
    "Block",
    "BlockNotice",
    "BlockRef",
    "Call",
    "Content",
    "Emitted",
    "Keyring",
    "LentKeys",
    "Lock",
    "Pending",
    "Pinned",
    "Pool",
    "PoolKeys",
    "PoolsError",
    "Ring",
    "RingRecord",
    "Signer",
    "Snapshot",
    "Stream",
    "Unavailable",
    "Written",
    "aio",
    "connect",
]
