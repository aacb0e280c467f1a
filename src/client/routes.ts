/**
 * The documents' HTTP routes and addresses, as functions.
 *
 * What always holds: an OTP goes in a header or, for a socket, in a subprotocol; never in an
 * address, where logs and histories would keep it (DC6).
 */
import { type Component, Operation } from "../ot/operation.ts"
import type { Info } from "../wire/documents-shapes.ts"
import type { CloseCode } from "../wire/error.ts"
import { serverAddress } from "./address.ts"
import { type Ending, endingOf } from "./socket.ts"

/** Who does not answer why a socket was refused within this time is asked again by the next try. */
const whyMs = 10_000

/** Statuses that say that coming back in the same way is no use. */
const finalStatuses: readonly number[] = [400, 401, 403]

const floodingCode: CloseCode<"flooding"> = 4529
const unavailableCode: CloseCode<"unavailable"> = 4503

/** A text as `GET /api/text/{id}` gives it. */
export interface StoredText {
  readonly text: string
  readonly revision: number
  readonly etag: string
}

/** A stretch of a document's past. */
export interface Playback {
  readonly epoch: string
  /** The newest revision there is. */
  readonly revision: number
  /** The oldest revision that may be asked for. */
  readonly first: number
  /** The revision of `text`. */
  readonly from: number
  readonly text: string
  /** What was done after that, in order: each makes one revision more. */
  readonly operations: readonly {
    /** The author; its name may be among `authors`. */
    readonly id: number
    readonly at: Date
    readonly operation: Operation
  }[]
  readonly authors: ReadonlyMap<number, Info>
}

/** A link to a document, as its list has it: what it is called there opens nothing. */
export interface Link {
  readonly ref: string
  readonly role: "edit" | "read"
  readonly label: string
  /** Undefined for one that lasts until it is revoked. */
  readonly expiresAt: Date | undefined
  readonly createdAt: Date
}

/** A link that was just made. */
export interface NewLink extends Omit<Link, "createdAt"> {
  /** What to open instead of the id. It is told this once and never again. */
  readonly link: string
}

/** What a link is to be. */
export interface LinkOptions {
  /** After so many hours it opens nothing any more: 1 to 8,760. Without, it lasts. */
  readonly hours?: number
  /** What to call it in the list. */
  readonly label?: string
}

/** What proves to be a connected editor (DC86), and its name in case the server knows none. */
export interface Proof {
  readonly secret: string
  readonly id: number
  readonly name: string
}

interface LinkWish extends LinkOptions {
  readonly role: "edit" | "read"
}

/** How to write, and by what one may. */
interface Write {
  readonly otp?: string
  readonly once?: string
  readonly ifMatch?: string
}

/** How much of a past, and by what one may see it. */
interface Wanted {
  readonly otp?: string
  readonly limit?: number
}

/** Answers as our own server's JSON has them. */
interface PlaybackAnswer extends Omit<Playback, "operations" | "authors"> {
  readonly operations: readonly {
    readonly id: number
    readonly at: string | number
    readonly operation: readonly Component[]
  }[]
  readonly authors: Readonly<Record<string, Info>>
}

interface LinkAnswer {
  readonly ref: string
  readonly role: "edit" | "read"
  readonly label?: string | null
  readonly expires_at: string | null
}

export class Routes {
  readonly #base: string

  /** `url` is the server's address, `http(s)` or `ws(s)`. Throws TypeError if it is none. */
  constructor(url: string) {
    this.#base = serverAddress(url)
  }

  /** What names a document among those of all servers. */
  address(id: string): string {
    return this.#url("document", id).href
  }

  /** Where the WebSocket of a document is. */
  socket(id: string): string {
    return this.#url("socket", id).href.replace(/^http/, "ws")
  }

  /** Why a handshake was refused; undefined if the server says nothing or sees no reason. */
  async why(id: string, otp: string | undefined): Promise<Ending | undefined> {
    try {
      const signal = AbortSignal.timeout(whyMs)
      const answer = await fetch(this.#url("document", id), { headers: bearer(otp), signal })
      if (answer.ok) return undefined
      const sentence = (await answer.text()).trim()
      if (finalStatuses.includes(answer.status)) return endingOf(4000 + answer.status, sentence)
      return endingOf(answer.status === 429 ? floodingCode : unavailableCode, sentence)
    } catch {
      return undefined // not even this request went through: the line is the reason
    }
  }

  /** The text of a document. Like all below, rejects with the server's sentence if it is refused. */
  async text(id: string, otp: string | undefined): Promise<StoredText> {
    const answer = await ask(this.#url("text", id), { token: otp })
    const etag = answer.headers.get("etag") ?? ""
    // Not `answer.text()`: that would drop a byte order mark, which is a character of the text.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    const text = decoder.decode(await answer.arrayBuffer())
    return { text, revision: Number(/\.(\d+)"$/.exec(etag)?.[1] ?? 0), etag }
  }

  /** Makes the text of a document this one, and gives the new revision. */
  replace(id: string, text: string, options: Write): Promise<number> {
    return this.#write(id, options, { method: "PUT", body: text, type: "text/plain" })
  }

  /** Adds to the end of a document, and gives the new revision. */
  append(id: string, text: string, options: Write): Promise<number> {
    return this.#write(id, options, { method: "PATCH", body: JSON.stringify({ append: text }) })
  }

  /** What was done to a document after revision `from`. */
  async history(id: string, from: number, options: Wanted): Promise<Playback> {
    const url = this.#url("document", id, "/history")
    url.searchParams.set("from", `${from}`)
    if (options.limit !== undefined) url.searchParams.set("limit", `${options.limit}`)
    const answer = await ask(url, { token: options.otp })
    const { operations, authors, ...rest } = await said<PlaybackAnswer>(answer)
    return {
      ...rest,
      operations: operations.map(({ id: author, at, operation }) => ({
        id: author,
        at: new Date(at),
        operation: Operation.from(operation),
      })),
      authors: new Map(Object.entries(authors).map(([author, info]) => [Number(author), info])),
    }
  }

  /** Sets a new OTP and gives it. */
  async protect(id: string, proof: Proof): Promise<string> {
    const answer = await this.#prove("POST", this.#url("document", id, "/protect"), proof)
    const { otp } = await said<{ readonly otp: string }>(answer)
    return otp
  }

  /** Removes the OTP. */
  async unprotect(id: string, proof: Proof, otp: string | undefined): Promise<void> {
    await this.#prove("DELETE", this.#url("document", id, "/protect"), { ...proof, more: { otp } })
  }

  /** Makes a link. */
  async link(id: string, proof: Proof, wish: LinkWish): Promise<NewLink> {
    const { role, hours, label = "" } = wish
    const asked = { ...proof, more: { role, label, expires_in_hours: hours } }
    const answer = await this.#prove("POST", this.#url("document", id, "/links"), asked)
    const { link, ref, expires_at } = await said<LinkAnswer & { readonly link: string }>(answer)
    return { link, ref, role, label, expiresAt: dateOf(expires_at) }
  }

  /** The links there are. */
  async links(id: string, proof: Proof): Promise<readonly Link[]> {
    const answer = await ask(this.#url("document", id, "/links"), { token: proof.secret })
    const links = await said<readonly (LinkAnswer & { readonly created_at: string })[]>(answer)
    return links.map(({ ref, role, label, expires_at, created_at }) => ({
      ref,
      role,
      label: label ?? "",
      expiresAt: dateOf(expires_at),
      createdAt: new Date(created_at),
    }))
  }

  /** Ends a link. */
  async revoke(id: string, proof: Proof, ref: string): Promise<void> {
    const url = this.#url("document", id, `/links/${encodeURIComponent(ref)}`)
    await ask(url, { method: "DELETE", token: proof.secret })
  }

  /** Has a document kept for so many days after its last use, and gives when that is over. */
  async keep(id: string, proof: Proof, days: number | null): Promise<Date | undefined> {
    const url = this.#url("document", id, "/retention")
    const answer = await this.#prove("PUT", url, { ...proof, more: { days } })
    return dateOf((await said<Pick<LinkAnswer, "expires_at">>(answer)).expires_at)
  }

  async #write(id: string, { otp, once, ifMatch }: Write, request: Request): Promise<number> {
    const headers = {
      ...(once === undefined ? {} : { "idempotency-key": once }),
      ...(ifMatch === undefined ? {} : { "if-match": ifMatch }),
    }
    const answer = await ask(this.#url("text", id), { ...request, token: otp, headers })
    return (await said<{ readonly revision: number }>(answer)).revision
  }

  // Says who asks and proves it, with what else is asked for.
  #prove(method: string, url: URL, by: Proof & { readonly more?: object }): Promise<Response> {
    const { secret, id, name, more } = by
    const body = JSON.stringify({ user_id: id, user_name: name, ...more })
    return ask(url, { method, body, token: secret })
  }

  // An id may hold anything, a slash too: it is one segment here.
  #url(route: string, id: string, rest = ""): URL {
    return new URL(`api/${route}/${encodeURIComponent(id.toWellFormed())}${rest}`, this.#base)
  }
}

/** Whether it may stand in a subprotocol or a header, as every token that a server draws may. */
export function isToken(otp: string | undefined): otp is string {
  return otp !== undefined && /^[\w!#$%&'*+.^`|~-]+$/.test(otp)
}

/** What is asked for, and by what one may. The body is JSON unless it has another type. */
interface Request {
  readonly method?: string
  readonly body?: string
  readonly type?: string
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(url: URL, { method = "GET", body, ...rest }: Request): Promise<Response> {
  const { token, type = "application/json", headers } = rest
  const answer = await fetch(url, {
    method,
    body: body ?? null,
    headers: {
      ...bearer(token),
      ...headers,
      ...(body === undefined ? {} : { "content-type": type }),
    },
  })
  if (answer.ok) return answer
  const sentence = (await answer.text()).trim()
  throw new Error(sentence === "" ? `refused with ${answer.status}` : sentence, {
    cause: answer.status,
  })
}

async function said<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T // our own server's answer, which we trust
}

function bearer(token: string | undefined): { readonly authorization?: string } {
  return isToken(token) ? { authorization: `Bearer ${token}` } : {}
}

/** A time as JSON has it, or in ms since 1970; undefined where there is none. */
export function dateOf(at: string | number | null | undefined): Date | undefined {
  return at === null || at === undefined ? undefined : new Date(at)
}
