"""
What reading and writing a mapped block costs, in CPU time: python3 -m tests.measure_blocks

Floors for reading: 1 µs at 64 B, 1.2 µs at 4 KiB, 60 µs at 1 MiB.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .places import RealServer

import quartet


def microseconds(work: Callable[[], object], times: int) -> float:
    """The best of seven runs, for one time."""
    best = float("inf")
    for _ in range(7):
        begun = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, (time.thread_time() - begun) / times)
    return best * 1e6


def main() -> None:
    """Prints a line for each size."""
    server = RealServer()
    try:
        with (
            quartet.connect(server.unix, app="writer") as writer,
            quartet.connect(server.unix, app="reader") as reader,
        ):
            for size in (64, 4096, 1 << 20):
                block = writer.pool("default").create_block(f"b{size}", size)
                seen = reader.pool("default").attach(f"b{size}")
                content = bytes(size)
                block.write(content)
                times = 20_000 if size <= 4096 else 300
                read = microseconds(seen.read, times)
                write = microseconds(lambda: block.write(content), times // 10)
                print(f"{size} B by {seen.via}: read {read:.2f} µs, write {write:.2f} µs")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
