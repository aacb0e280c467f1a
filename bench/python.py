"""The program of bench/python.ts: calls and reads of blocks through the SDK for Python, timed.

What always holds: one JSON object a line on stdout for each figure; a first second of each does not
count.
"""

import json
import mmap
import sys
import time

import quartet

CALL_SECONDS = 3.0
READ_SECONDS = 0.5
SIZES = {"64 B": 64, "4 KiB": 4096, "1 MiB": 1 << 20}
PAYLOAD = {"n": 1234567, "text": "thirty-six characters, or nearly", "ok": True}


def tell(name, unit, figure, kind="quartet"):
    print(json.dumps({"name": name, "unit": unit, "kind": kind, "figure": figure}), flush=True)


def calls(app):
    for seconds in (1.0, CALL_SECONDS):
        took = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            since = time.perf_counter()
            app.call("echo", PAYLOAD)
            took.append((time.perf_counter() - since) * 1e6)
    took.sort()
    tell("a call from Python, one at a time", "µs p50", took[len(took) // 2])
    tell("a call from Python, one at a time", "µs p99", took[len(took) * 99 // 100])


def each(work):
    """µs of one call, of many in a row."""
    for seconds in (READ_SECONDS, READ_SECONDS):
        count = 0
        since = time.perf_counter()
        until = since + seconds
        while time.perf_counter() < until:
            for _ in range(32):
                work()
            count += 32
    return (time.perf_counter() - since) * 1e6 / count


def reads(app):
    pool = app.pool("default")
    for name, size in SIZES.items():
        block = pool.create_block(f"python-{size}", size)
        if block.via != "map":
            sys.exit("the memory is not mapped here")
        block.write(b"x" * size)
        tell(f"read from Python, {name}", "µs", each(block.read))
        with mmap.mmap(-1, size) as memory:
            tell(f"read from Python, {name}", "µs", each(lambda: memory[:size]), "mapping")
        block.destroy()


with quartet.connect(sys.argv[1], app="python-bench") as app:
    calls(app)
    reads(app)
