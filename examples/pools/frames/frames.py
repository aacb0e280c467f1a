"""
Draws frames into shared memory, for viewer.ts and whoever else looks.
Usage: python3 frames.py [tcp://127.0.0.1:45227] [how many; for ever]
"""

import itertools
import sys
import time

import quartet

width, height, per_second = 320, 240, 30
address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:45227"
most = int(sys.argv[2]) if len(sys.argv) > 2 else None
rows = [bytes(range(256)) * 8 for _ in range(height)]


def drawn(number):
    """A frame: 4 bytes for each pixel. With numpy it would be an array, written as it is."""
    frame = bytearray(width * height * 4)
    for y, row in enumerate(rows):
        shift = (number * 4 + y) % 256
        line = slice(y * width * 4, (y + 1) * width * 4)
        frame[line] = row[shift : shift + width * 4]
    frame[3::4] = b"\xff" * (width * height)
    return frame


with quartet.connect(address, app="camera") as app:
    pool = app.pool("default")
    try:
        block = pool.create_block("frames", width * height * 4)
    except quartet.PoolsError:  # Somebody looks at the frames of a camera before this one.
        block = pool.attach("frames", mode="write")
    numbers = itertools.count() if most is None else range(most)
    for number in numbers:
        block.write(drawn(number))
        time.sleep(1 / per_second)
