/**
 * Plays transcripts of pools: what is done, `----`, and what each app then heard, in that order.
 *
 *     ada connects                        a connection; `is an app {…}` shakes hands on it too
 *     ada > {"type":"ping","id":"p"}      one message, as it is written
 *     ada leaves                          its socket ends
 *     ada stops reading, reads again      its socket is full, and is empty again
 *     time +30 s
 *
 * Ids that the server gave to calls are written as call 1, call 2 and so on; nonces and secrets as …
 */
import { type End, type Heard, Sea } from "./pools-parts.ts"

const units = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }

/** The transcript as it should be: the same, if what it says is true. */
export function playedPools(transcript: string): string {
  const [title = "", ...blocks] = transcript.trimEnd().split(/\n\n+/)
  const stage = new Stage()
  const played = blocks.map((block) => {
    const lines = block.split("\n")
    const at = lines.indexOf("----")
    const done = at < 0 ? lines : lines.slice(0, at)
    const heard = stage.play(done)
    return [...done, "----", ...(heard.length === 0 ? ["nothing"] : heard)].join("\n")
  })
  return `${[title, ...played].join("\n\n")}\n`
}

class Stage {
  readonly #sea = new Sea()
  readonly #cast = new Map<string, End>()
  #lines: string[] = []

  constructor() {
    this.#sea.onHeard = (end, message) => {
      const name = [...this.#cast].find(([, each]) => each === end)?.[0] ?? "?"
      this.#lines.push(`${name} < ${JSON.stringify(readable(message))}`)
    }
  }

  play(lines: readonly string[]): readonly string[] {
    this.#lines = []
    for (const line of lines) {
      this.#do(line)
      this.#sea.turn()
    }
    return this.#lines
  }

  #do(line: string): void {
    const [, name = "", message] = /^(\w+) > (.+)$/.exec(line) ?? []
    if (message !== undefined) return this.#far(name).utters(written(message))
    const [, who = "", deed] =
      /^(\w+) (connects|leaves|stops reading|reads again|is an app.*)$/.exec(line) ?? []
    const [, count, unit] = /^time \+(\d+) (ms|s|min|h)$/.exec(line) ?? []
    if (count !== undefined)
      return this.#sea.pass(Number(count) * units[unit as keyof typeof units])
    switch (deed) {
      case "leaves":
        return this.#far(who).leaves()
      case "stops reading":
      case "reads again":
        this.#far(who).behind = deed === "stops reading"
        return
    }
    if (deed === undefined) throw new Error(`nobody knows how to do this: ${line}`)
    const end = this.#sea.come()
    this.#cast.set(who, end)
    if (deed === "connects") return
    const fields = deed.slice("is an app".length).trim()
    const hello = { type: "handshake", id: "h", app_id: who, protocol_version: "1.0" }
    end.says({ ...hello, ...(fields === "" ? {} : JSON.parse(fields)) })
    this.#lines = this.#lines.filter((each) => !each.startsWith(`${who} < {"type":"handshake_ack"`))
  }

  #far(name: string): End {
    const end = this.#cast.get(name)
    if (end === undefined) throw new Error(`nobody is called ${name}`)
    return end
  }
}

const given = /"00000000-0000-4000-8000-([0-9a-f]{12})"/g

/** `call 1` as the id that it stands for. */
function written(message: string): string {
  return message.replaceAll(/"call (\d+)"/g, (_, number) => {
    return `"00000000-0000-4000-8000-${Number(number).toString(16).padStart(12, "0")}"`
  })
}

/** A message without what is drawn. */
function readable(message: Heard): unknown {
  const text = JSON.stringify(message, (name, value) => {
    if (["nonce", "session_id", "resume", "uuid", "sha256"].includes(name)) return "…"
    if (name === "limits" || name === "session") return "…"
    return value
  })
  return JSON.parse(text.replaceAll(given, (_, digits) => `"call ${Number.parseInt(digits, 16)}"`))
}
