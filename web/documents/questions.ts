/**
 * What a visitor is to decide about a text that is not on the server as it was here (DC128).
 *
 * What always holds: nothing of it goes by itself. A question stays until it is answered; a text
 * that was lost is kept in this browser until then, and asked about again at the next visit.
 */
import type { SharedText, TextEvents } from "../../src/client/client.ts"
import { Cell } from "../cell.ts"
import { forgetLoss, keepLoss, keptLoss } from "./losses.ts"
import { sharedEnds } from "./shared-ends.ts"

export type Question =
  | {
      readonly kind: "lost"
      /** "earlier": it was lost in an earlier visit, and not decided about then. */
      readonly why: "rolled-back" | "unsure" | "diverged" | "earlier"
      readonly mine: string
      readonly server: string
      /** Puts back what the server lacks, beside what came since. Undefined once a newer loss came. */
      readonly resend: (() => void) | undefined
      readonly at: Date
    }
  | {
      readonly kind: "emptied"
      readonly text: string
      restore(): void
      discard(): void
    }

/** More than this are not asked: eight losses on end that nobody looked at are one that nobody will. */
const limitQuestions = 8

/** The open questions about one text, in the order in which they came up. */
export class Questions {
  readonly open = new Cell<readonly Question[]>([])
  readonly #text: SharedText
  #isLossKept = false

  constructor(text: SharedText) {
    this.#text = text
    text.on("lost", (loss) => void this.#lose(loss))
    text.on("emptied", (choice) => this.#ask({ kind: "emptied", ...choice }))
    void this.#recall()
  }

  /** Whether the server has nothing, and what to do about it is not said. */
  get isEmptied(): boolean {
    return this.open.value.some(({ kind }) => kind === "emptied")
  }

  /** Whether closing the page now would throw a text away that nobody has decided about. */
  get wouldLose(): boolean {
    return !this.#isLossKept && this.open.value.some(({ kind }) => kind === "lost")
  }

  /** It is answered. */
  close(question: Question): void {
    this.open.value = this.open.value.filter((other) => other !== question)
    const isLeft = this.open.value.some(({ kind }) => kind === "lost")
    if (question.kind === "lost" && !isLeft) void forgetLoss(this.#text.id)
  }

  async #lose({ why, mine, server, resend }: Parameters<TextEvents["lost"]>[0]): Promise<void> {
    const at = new Date()
    this.#isLossKept = false
    this.#ask({ kind: "lost", why, mine, server, resend, at })
    try {
      await keepLoss(this.#text.id, { mine, at })
      this.#isLossKept = true
    } catch {
      // This browser keeps nothing: then it asks before the page is closed.
    }
  }

  // What was lost in an earlier visit can be compared once there is a text of the server's.
  async #recall(): Promise<void> {
    const loss = await keptLoss(this.#text.id)
    if (loss === undefined) return
    const forget = this.#text.on("state", () => compare())
    const compare = (): void => {
      const { state, text: server } = this.#text
      if (state !== "synchronized") return
      forget()
      this.#isLossKept = true
      const resend = (): void => this.#putBack(loss.mine)
      if (server === loss.mine) void forgetLoss(this.#text.id)
      else this.#ask({ kind: "lost", why: "earlier", ...loss, server, resend })
    }
    compare()
  }

  #putBack(mine: string): void {
    const { text } = this.#text
    const [start, end] = sharedEnds(text, mine)
    this.#text.replace(start, text.length - end, mine.slice(start, mine.length - end))
  }

  // Of the losses that came before only the newest can still be put back by itself.
  #ask(question: Question): void {
    const before = this.open.value.filter((other) => !isSame(other, question))
    const older = before.map((other) =>
      other.kind === "lost" && question.kind === "lost" ? { ...other, resend: undefined } : other,
    )
    this.open.value = [...older, question].slice(-limitQuestions)
  }
}

// The same text once more, as after a second start of the same backup, is no further question.
function isSame(one: Question, other: Question): boolean {
  if (one.kind === "emptied" || other.kind === "emptied") return one.kind === other.kind
  return one.mine === other.mine
}
