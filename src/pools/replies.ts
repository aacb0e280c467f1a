/**
 * What is said of a call once it runs: its answer, and the chunks of either way.
 *
 * What always holds: what an encrypted pool refuses goes no further, and ends its call in the same
 * turn: nobody waits for an answer that was thrown away, or takes the chunks around one for all.
 */
import { type Fault, Refusal, wordOf } from "../wire/pools-errors.ts"
import type { Answer, Chunk } from "../wire/pools-shapes.ts"
import type { References } from "./blocks-references.ts"
import type { Calls } from "./calls.ts"
import type { Payloads } from "./encrypted-payloads.ts"
import type { Session } from "./session.ts"
import type { Streams } from "./streams.ts"

export interface RepliesOptions {
  readonly payloads: Payloads
  readonly calls: Calls
  readonly streams: Streams
  readonly references: References
}

export class Replies {
  readonly #options: RepliesOptions

  constructor(options: RepliesOptions) {
    this.#options = options
  }

  /** A handler answers. Throws a Refusal, which tells it why its answer went no further. */
  answer(session: Session, answer: Answer): void {
    const { payloads, calls, references } = this.#options
    try {
      payloads.checkAnswer(session, answer)
    } catch (thrown) {
      const held = answer.to === undefined ? undefined : session.held.get(answer.to)
      if (thrown instanceof Refusal && held !== undefined) {
        calls.refuseAnswer(held, unreadable("its answer", thrown.fault))
      }
      throw thrown
    }
    calls.answer(session, references.inlined(session, answer))
  }

  /** A chunk of either way. Throws a Refusal, as `answer` does. */
  chunk(session: Session, chunk: Chunk): void {
    const { payloads, calls, streams } = this.#options
    try {
      payloads.checkChunk(session, chunk)
    } catch (thrown) {
      const call = thrown instanceof Refusal ? streams.callOf(session, chunk) : undefined
      if (call !== undefined && thrown instanceof Refusal) {
        calls.fail(call, unreadable("a chunk of it", thrown.fault), "lost")
      }
      throw thrown
    }
    streams.chunk(session, chunk)
  }
}

/** What the caller is told: the work may have been done, and what it brought could not be taken. */
function unreadable(what: string, { code, sentence }: Fault): Fault {
  return {
    code: "integrity",
    sentence: `${what} was refused: ${sentence}`,
    executionUncertain: true,
    detail: { refused: wordOf(code) },
  }
}
