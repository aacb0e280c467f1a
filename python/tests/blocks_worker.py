"""
A program of its own that writes or reads a block at full speed, for tests that kill it.

    python3 -m tests.blocks_worker '{"role": "write", "address": "unix:…", …}'

What always holds: contents are those of test/client-blocks-worker.ts: the first word is a number,
and each word behind it is that number mixed with its place. What a reader has seen it says every
50 ms. A careless one looks at no word of the layout but the newest.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from typing import Any

from .places import root

import quartet
from quartet import layout
from quartet.blocks_slots import Snapshot

assert root
_variants = 8
"""Contents that are made beforehand: making one takes longer than writing it."""


def content(number: int, size: int) -> bytes:
    """The content with a number."""
    mixed = number * 2_654_435_761
    words = array("I", ((mixed + at) & layout.u32 for at in range(size // 4)))
    words[0] = number
    return words.tobytes()


def is_whole(data: bytes) -> bool:
    """Whether this is one content: of large ones each KiB is looked at."""
    words = memoryview(data).cast("I")
    step = max(1, len(words) // 1024)
    mixed = words[0] * 2_654_435_761
    return words[1::step].tolist() == [
        (mixed + at) & layout.u32 for at in range(1, len(words), step)
    ]


def write(block: quartet.Block, size: int) -> None:
    """Writes until it is killed."""
    contents = [content(number, size) for number in range(1, _variants + 1)]
    print("begun", flush=True)
    while True:
        for each in contents:
            block.write(each)


def whole(block: quartet.Block) -> Snapshot:
    """A content; again where writers were faster."""
    while True:
        try:
            return block.read()
        except quartet.PoolsError as error:
            if error.code != "BUSY":
                raise


def read(block: quartet.Block, *, is_careless: bool) -> None:
    """Reads until it is killed."""
    seen = {"whole": 0, "torn": 0, "back": 0}
    newest = 0
    print("begun", flush=True)
    whole(block)
    slots = block._at.slots  # type: ignore[reportPrivateUsage]
    while True:
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            found = whole(block)
            if is_careless and slots is not None and found.generation:
                # The slot that is written next: what it holds is anything.
                words, header = slots.mapped.words, slots.mapped.header
                start = layout.data_at + (words[layout.latest] + 1) % header.slots * header.stride
                data = slots.mapped.memory[start : start + header.capacity]
                found = Snapshot(data, found.generation, 3, 0)
            if found.generation == 0:
                continue
            seen["whole" if is_whole(found.data) else "torn"] += 1
            seen["back"] += found.generation < newest
            newest = found.generation
        print(json.dumps(seen), flush=True)


def main(job: dict[str, Any]) -> None:
    """Does what it is told."""
    app = quartet.connect(job["address"], app=job["app"], map=job.get("map", "auto"))
    mode = "write" if job["role"] == "write" else "read"
    block = app.pool("default").attach(job["block"], mode=mode)
    if mode == "write":
        write(block, job["bytes"])
    else:
        read(block, is_careless=job["role"] == "careless")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
