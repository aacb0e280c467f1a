"""
The one error of this package, and the closed list of its codes.

What always holds: a code is a word of the protocol in capitals, its number in compact frames names
the same error for ever, and `retry` says what may be done about it without reading the sentence.
"""

from __future__ import annotations

from typing import Any, Final, Literal

Advice = Literal["fix", "later", "now", "idem", "conn", "stay"]

_words: Final[dict[Advice, str]] = {
    "fix": """
        2 BAD_MESSAGE 3 UNKNOWN_TYPE 5 TOO_LARGE 6 DUPLICATE_ID 7 NOT_READY 11 FORBIDDEN 20 NO_POOL
        21 NOT_MEMBER 22 POOL_EXISTS 24 CLUSTER_REQUIRED 25 NOT_ENCRYPTED 32 HANDLER_ERROR
        36 CANCELLED 38 NOT_CALLEE 39 POLICY_CONFLICT 40 CREDIT_EXCEEDED 41 IDEMPOTENCY_MISMATCH
        42 RESULT_GONE 50 NO_BLOCK 51 BLOCK_EXISTS 52 OUT_OF_RANGE 56 LOCK_LOST 58 GENERATION_GONE
        60 BLOCK_SEALED 63 NOT_LOCAL 64 INTEGRITY""",
    "later": """
        12 APP_ID_TAKEN 23 POOL_IN_USE 30 NO_HANDLER 33 BUSY 37 UNAVAILABLE 53 NO_SPACE
        54 WRITER_EXISTS 55 LOCKED 61 PINNED 62 RING_FULL 72 LIMIT""",
    "now": "26 STALE_EPOCH 34 DRAINING 57 CONFLICT 59 BLOCK_RETIRED",
    "idem": "31 HANDLER_LOST 35 TIMEOUT 43 CONNECTION_LOST",
    "conn": "70 SLOW 71 GOING_AWAY 73 INTERNAL",
    "stay": "1 BAD_FRAME 4 UNSUPPORTED_VERSION 10 UNAUTHENTICATED 13 REPLACED",
}


def _table() -> dict[str, tuple[int, Advice]]:
    table: dict[str, tuple[int, Advice]] = {}
    for advice, text in _words.items():
        entries = text.split()
        for number, word in zip(entries[::2], entries[1::2], strict=True):
            table[word] = (int(number), advice)
    return table


codes: Final[dict[str, tuple[int, Advice]]] = _table()
"""By word: the number in compact frames, and what to do."""

code_of_number: Final[dict[int, str]] = {number: word for word, (number, _) in codes.items()}


class PoolsError(Exception):
    """
    Why something was refused, failed or is not known to have happened.

    `code` is a word of the protocol (`NO_HANDLER`), or one of a later release. `retry` is what to
    do: "fix" the request; repeat it "later", after `retry_after_ms`, or "now"; repeat with "idem"
    only what may run twice; "conn": it comes back by itself; "stay": it does not. With
    `execution_uncertain` the work may have been done. `handler_code` is the handler's own.
    """

    code: str
    retry: Advice
    retry_after_ms: int | None
    execution_uncertain: bool
    handler_code: str | None
    field: str | None
    reason: str | None
    detail: Any

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after_ms: int | None = None,
        execution_uncertain: bool = False,
        handler_code: str | None = None,
        field: str | None = None,
        reason: str | None = None,
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry = codes[code][1] if code in codes else "fix"
        self.retry_after_ms = retry_after_ms
        self.execution_uncertain = execution_uncertain
        self.handler_code = handler_code
        self.field = field
        self.reason = reason
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def __repr__(self) -> str:
        return f"PoolsError({self.code!r}, {self.message!r})"

    def again(self) -> PoolsError:
        """An equal error, for each further place that raises it: a traceback belongs to one."""
        copy = PoolsError(self.code, self.message)
        copy.__dict__.update(self.__dict__)
        return copy


def told(fields: dict[str, Any], fallback: str) -> PoolsError:
    """The error that a JSON message of the server spells; `fallback` where it names no code."""
    code = fields.get("error_code")
    error = fields.get("error")
    wait = fields.get("retry_after_ms")
    return PoolsError(
        code if isinstance(code, str) else fallback,
        error if isinstance(error, str) else "refused",
        retry_after_ms=wait if isinstance(wait, int) else None,
        execution_uncertain=fields.get("execution_uncertain") is True,
        handler_code=_text(fields.get("handler_code")),
        field=_text(fields.get("field")),
        reason=_text(fields.get("reason")),
        detail=fields.get("detail"),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
