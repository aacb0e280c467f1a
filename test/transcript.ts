/**
 * Transcripts: protocol behaviour as a text that a person can read. A file is one promise; its first
 * line names the rule. Then come blocks: what is done, `----`, and all that anyone heard of it, in
 * the order in which it was heard.
 *
 * What always holds: time and chance are turned by hand, so a transcript says the same each time.
 * A new thing to do: add it to `deeds`. A new message: add it to `spoken`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Cursors,
  documentsProtocol,
  systemUser,
  type ToEditor,
} from "../src/wire/documents-shapes.ts"
import { clientKey, FarEnd, type Heard, Pad } from "./far-end.ts"

/** What is done, and what was heard of it, a line each. */
interface Block {
  readonly done: readonly string[]
  readonly heard: readonly string[]
}

const separator = "----"
const silence = "nothing"

/** Plays a transcript and gives it as it should be: the same, if what it says is true. */
export async function played(transcript: string): Promise<string> {
  const [title = "", ...rest] = transcript.trimEnd().split(/\n\n+/)
  const stage = new Stage()
  try {
    const blocks: string[] = [title]
    for (const block of rest.map(parse)) {
      const heard = await stage.play(block.done)
      const lines = heard.length === 0 ? [silence] : heard
      blocks.push([...block.done, separator, ...lines].join("\n"))
    }
    return `${blocks.join("\n\n")}\n`
  } finally {
    stage.close()
  }
}

function parse(block: string): Block {
  const lines = block.split("\n")
  const at = lines.indexOf(separator)
  return at < 0
    ? { done: lines, heard: [] }
    : { done: lines.slice(0, at), heard: lines.slice(at + 1) }
}

/** One server, and who has come to it under which name. */
class Stage {
  readonly #folder = mkdtempSync(join(tmpdir(), "quartet-transcript-"))
  readonly #cast = new Map<string, FarEnd>()
  readonly #nameOf = new Map<FarEnd, string>()
  /** Names by document and user id. */
  readonly #known = new Map<string, string>()
  /** Links by what a transcript calls them: it may say that where an id may stand. */
  readonly #links = new Map<
    string,
    { readonly link: string; readonly ref: string; readonly id: string }
  >()
  #drawn = 0
  #lines: string[] = []
  #server = this.#start()

  /** Does each line, and gives what was heard. */
  async play(lines: readonly string[]): Promise<readonly string[]> {
    this.#lines = []
    for (const line of lines) await this.#do(line)
    return this.#lines
  }

  close(): void {
    this.#server.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #do(line: string): Promise<void> {
    for (const [pattern, deed] of this.#deeds) {
      const match = pattern.exec(line)
      if (match === null) continue
      await deed(match.groups ?? {})
      this.#server.turn()
      return
    }
    throw new Error(`nobody knows how to do this: ${line}`)
  }

  readonly #deeds: readonly (readonly [RegExp, (given: Given) => unknown])[] = [
    [
      /^(?<name>\w+) (joins|returns to) (?<id>\S+)( as (?<shape>rustpad|extended))?( at (?<at>\d+))?( awaiting (?<seq>\d+))?( with (?<otp>\S+))?$/,
      (given) => this.#join(given),
    ],
    [
      /^(?<name>\w+) edits at (?<at>\d+)( as (?<seq>\d+))?: (?<operation>.+)$/,
      ({ name, at, seq, operation = "" }) => {
        // A long paste is written as a product: "x" × 300000.
        const components = JSON.parse(
          operation.replace(
            /"(.)" × (\d+)/,
            (_, letter, count) => `"${letter.repeat(Number(count))}"`,
          ),
        )
        this.#far(name).edits(Number(at), components, seq === undefined ? undefined : Number(seq))
      },
    ],
    [
      /^(?<name>\w+) puts (its|her|his) caret at (?<position>\d+)( of (?<at>\d+))?$/,
      ({ name, position, at }) => {
        const cursors = { cursors: [Number(position)], selections: [] }
        const revision = at === undefined ? {} : { revision: Number(at) }
        this.#far(name).says({ CursorData: { ...cursors, ...revision } })
      },
    ],
    [
      /^(?<name>\w+) is called (?<called>\w+), hue (?<hue>\d+)$/,
      ({ name, called, hue }) => {
        this.#far(name).says({ ClientInfo: { name: called, hue: Number(hue) } })
      },
    ],
    [
      /^(?<name>\w+) sets the language to (?<language>\S+)$/,
      ({ name, language }) => this.#far(name).says({ SetLanguage: language }),
    ],
    [/^(?<name>\w+) says (?<frame>.+)$/, ({ name, frame = "" }) => this.#far(name).utters(frame)],
    [/^(?<name>\w+) leaves$/, ({ name }) => this.#far(name).leaves()],
    [
      /^(?<name>\w+) (?<how>stops|goes on) reading$/,
      ({ name, how }) => {
        this.#far(name).behind = how === "stops"
      },
    ],
    [/^(?<name>\w+) protects (?<id>\S+)$/, (given) => this.#protect("POST", given)],
    [
      /^(?<name>\w+) unprotects (?<id>\S+) with (?<otp>\S+)$/,
      (given) => this.#protect("DELETE", given),
    ],
    [
      /^(?<name>\w+) makes (?<link>\w+), a link to (?<verb>edit|read) (?<id>\S+)( for (?<hours>\d+) h)?$/,
      (given) => this.#makeLink(given),
    ],
    [/^(?<name>\w+) revokes (?<link>\w+)$/, (given) => this.#revokeLink(given)],
    [
      /^text of (?<id>\S+)( with (?<otp>\S+))?$/,
      async ({ id = "", otp }) => {
        const query = otp === undefined ? "" : `?otp=${otp}`
        const path = `/api/text/${this.#links.get(id)?.link ?? id}${query}`
        const { status, body = "" } = await this.#server.request("GET", path)
        this.#lines.push(status === 200 ? body : `${status} ${body}`)
      },
    ],
    [
      /^time \+(?<count>\d+) (?<unit>ms|s|min|h)$/,
      ({ count, unit }) => this.#server.pass(Number(count) * units[unit as keyof typeof units]),
    ],
    [/^the disk catches up$/, () => this.#server.durable()],
    [
      /^the server (?<how>is killed|stops), and starts again$/,
      ({ how }) => {
        if (how === "stops") this.#server.stop()
        else this.#server.close()
        this.#server = this.#start()
      },
    ],
  ]

  #start(): Pad {
    return new Pad({
      uri: join(this.#folder, "pad.db"),
      // 0, 1, 2, …: each drawing differs from those before it, and is the same each time.
      random: (length) => {
        this.#drawn += 1
        return new Uint8Array(length).fill(this.#drawn)
      },
      onHeard: (far, message) => this.#hear(far, message),
    })
  }

  #join({ name = "", id = "", shape, at, seq, otp }: Given): void {
    const far = new FarEnd(this.#server, this.#links.get(id)?.link ?? id, {
      cookie: clientKey(name),
      ...(shape === "rustpad" ? { dialect: shape } : {}),
      ...(shape === "extended" ? { protocols: [documentsProtocol] } : {}),
      ...(otp === undefined ? {} : { otp }),
    })
    const epoch = this.#epochOf(id)
    this.#cast.set(name, far)
    this.#nameOf.set(far, name)
    const refusal = this.#server.admit(far)
    if (refusal !== undefined) {
      this.#lines.push(`${name} is refused as ${refusal.code}: ${refusal.message}`)
      return
    }
    if (shape !== "extended") return
    const resume = {
      epoch,
      revision: Number(at),
      seq: seq === undefined ? null : Number(seq),
      age: 0,
      pending: seq !== undefined,
    }
    far.says({ Join: { client: clientKey(name), ...(at === undefined ? {} : { resume }) } })
  }

  // The epoch that was told last of a document.
  #epochOf(id: string): string {
    const welcomes = [...this.#nameOf.keys()]
      .filter((far) => far.params.get("path") === id)
      .flatMap((far) => far.all("Welcome") as { epoch: string }[])
    return welcomes.at(-1)?.epoch ?? ""
  }

  async #protect(method: string, { name = "", id = "", otp }: Given): Promise<void> {
    const far = this.#far(name)
    const [user] = [
      ...far.all("Identity"),
      ...far.all("Welcome").map((each) => (each as { id: number }).id),
    ]
    const body = { user_id: user, user_name: name, otp }
    await this.#ask(name, `${method} /api/document/${id}/protect`, body)
  }

  async #makeLink({ name = "", link = "", verb, id = "", hours }: Given): Promise<void> {
    const [user] = this.#far(name).all("Identity")
    const expires = hours === undefined ? {} : { expires_in_hours: Number(hours) }
    const body = { user_id: user, role: verb, ...expires }
    const made = await this.#ask(name, `POST /api/document/${id}/links`, body)
    this.#links.set(link, { ...JSON.parse(made), id })
  }

  async #revokeLink({ name = "", link = "" }: Given): Promise<void> {
    const { id, ref } = this.#links.get(link) ?? {}
    await this.#ask(name, `DELETE /api/document/${id}/links/${ref}`, {})
  }

  // Asks with the cookie of `name`, and gives the body of the answer.
  async #ask(name: string, what: string, asked: object): Promise<string> {
    const [method = "", path = ""] = what.split(" ")
    const cookies = { quartet_editor: clientKey(name) }
    const body = JSON.stringify(asked)
    const answering = this.#server.request(method, path, { body, cookies })
    await this.#server.durable()
    const answer = await answering
    this.#lines.push(`${name} is answered ${[answer.status, answer.body].join(" ").trimEnd()}`)
    return answer.body ?? ""
  }

  #far(name: string | undefined): FarEnd {
    const far = this.#cast.get(name ?? "")
    if (far === undefined) throw new Error(`nobody is called ${name}`)
    return far
  }

  #hear(far: FarEnd, message: Heard | undefined): void {
    const name = this.#nameOf.get(far) ?? ""
    if (message === undefined) {
      this.#lines.push(`${name} is closed as ${far.ended?.code}: ${far.ended?.sentence}`)
      return
    }
    const told = message as unknown as ToEditor // it was one, before it was read from the wire
    const path = far.params.get("path") ?? ""
    const id = [...this.#links.values()].find(({ link }) => link === path)?.id ?? path
    if ("Identity" in told) this.#known.set(`${id} ${told.Identity}`, name)
    if ("Welcome" in told) this.#known.set(`${id} ${told.Welcome.id}`, name)
    this.#lines.push(`${name} < ${spoken(told, (user) => this.#whoIs(id, user))}`)
  }

  #whoIs(id: string, user: number): string {
    return user === systemUser ? "the system" : (this.#known.get(`${id} ${user}`) ?? `${user}`)
  }
}

type Given = Readonly<Record<string, string | undefined>>

const units = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }

/** A text longer than this is told by its length. */
const longText = 60

// One message as a line.
function spoken(message: ToEditor, whoIs: (user: number) => string): string {
  if ("Identity" in message) return `Identity ${message.Identity}`
  if ("History" in message) {
    const { start, operations } = message.History
    const edits = operations.map(
      ({ id, operation }) => `${whoIs(id)} ${row(componentsOf(operation))}`,
    )
    return `History from ${start}: ${edits.join(", ")}`
  }
  if ("Language" in message) {
    const { Language: told } = message
    if (typeof told === "string") return `Language ${told}`
    return `Language ${told.language} by ${whoIs(told.user_id)}, called ${told.user_name}`
  }
  if ("OTP" in message) {
    const { otp, user_id, user_name } = message.OTP
    return `OTP ${otp ?? "none"} by ${whoIs(user_id)}, called ${user_name}`
  }
  if ("UserInfo" in message) {
    const { id, info } = message.UserInfo
    if (!info) return `UserInfo ${whoIs(id)} has left`
    return `UserInfo ${whoIs(id)} is called ${info.name}, hue ${info.hue}`
  }
  if ("UserCursor" in message) {
    return `UserCursor ${whoIs(message.UserCursor.id)} ${places(message.UserCursor.data)}`
  }
  if ("Cursors" in message) {
    const { revision, cursors } = message.Cursors
    return `Cursors of ${revision}: ${cursors.map((each) => `${whoIs(each.id)} ${places(each)}`).join(", ")}`
  }
  if ("Welcome" in message) {
    const { id, role, revision, head, applied, text, fresh } = message.Welcome
    const told = text === undefined ? "no text" : row([text]).slice(1, -1)
    return `Welcome as ${id}${role === "full" ? "" : ` to ${role}`}: ${told} of ${revision}, head ${head}, applied ${applied}${fresh ? ", fresh" : ""}`
  }
  if ("Ack" in message) return `Ack of ${message.Ack.seq} at ${message.Ack.revision}`
  if ("Error" in message) {
    const { code, seq, revision, retry, message: sentence } = message.Error
    const edit = seq === undefined ? "" : ` of ${seq}`
    return `Error ${code}${edit} at ${revision}${retry ? ", try again" : ""}: ${sentence}`
  }
  if ("Saved" in message) {
    const { revision, checksum } = message.Saved
    return `Saved ${revision}${checksum === undefined ? "" : `, checksum ${checksum}`}`
  }
  if ("Access" in message) return `Access ${message.Access.protected ? "with" : "without"} an OTP`
  return `Alive at ${message.Alive.revision}`
}

// What was read from the wire has its bare components where an Operation was written.
function componentsOf(operation: unknown): readonly unknown[] {
  return operation as readonly unknown[]
}

function row(operation: readonly unknown[]): string {
  const components = operation.map((component) => {
    const isLong = typeof component === "string" && component.length > longText
    return isLong ? `(${component.length} characters)` : JSON.stringify(component)
  })
  return `[${components.join(", ")}]`
}

function places({ cursors, selections }: Cursors): string {
  return [...cursors, ...selections.map((range) => range.join("–"))].join(" ")
}
