"""Counts words for whoever asks. Usage: python3 worker.py [tcp://127.0.0.1:45227]"""

import sys
from collections import Counter

import quartet

address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:45227"
app = quartet.connect(address, app="counter", instances=True)


@app.handle("words.total", concurrency=8, idempotent=True)
def total(text, call):
    if not isinstance(text, str):
        raise TypeError("a text is counted, nothing else")
    return len(text.split())


@app.handle("words", concurrency=2)
def words(text, call):
    """Streams each word with its number, most frequent first, as fast as the caller takes them."""
    # A part of this call: it ends with it, and has no more time than it.
    if call.call("words.total", text) == 0:
        call.unavailable("there is nothing to count")
    yield from Counter(text.split()).most_common()
    return "counted"


app.run()
