/**
 * The documents' HTTP routes and addresses, as functions.
 *
 * What always holds: an OTP goes in a header or, for a socket, in a subprotocol; never in an
 * address, where logs and histories would keep it (DC6).
 */
import { closeCodeOf } from "../wire/error.ts"
import { type Ending, endingOf } from "./socket.ts"

/** Who does not answer why a socket was refused within this time is asked again by the next try. */
const whyMs = 10_000

/** Statuses that say that coming back in the same way is no use. */
const finalStatuses: readonly number[] = [400, 401, 403]

/** A text as `GET /api/text/{id}` gives it. */
export interface StoredText {
  readonly text: string
  readonly revision: number
  readonly etag: string
}

/** What proves to be a connected editor (DC86), and its name in case the server knows none. */
export interface Proof {
  readonly secret: string
  readonly id: number
  readonly name: string
}

export class Routes {
  readonly #base: URL

  /** `url` is the server's address, `http(s)` or `ws(s)`. Throws TypeError if it is none. */
  constructor(url: string) {
    const address = new URL(url)
    address.protocol = address.protocol.replace(/^ws/, "http")
    if (!/^https?:$/.test(address.protocol)) throw new TypeError(`not a server's address: ${url}`)
    if (!address.pathname.endsWith("/")) address.pathname += "/"
    address.search = ""
    address.hash = ""
    this.#base = address
  }

  /** Where the WebSocket of a document is. */
  socket(id: string): string {
    const url = this.#url("socket", id)
    url.protocol = url.protocol.replace(/^http/, "ws")
    return url.href
  }

  /** Why a handshake was refused; undefined if the server says nothing or sees no reason. */
  async why(id: string, otp: string | undefined): Promise<Ending | undefined> {
    try {
      const signal = AbortSignal.timeout(whyMs)
      const answer = await fetch(this.#url("document", id), { headers: bearer(otp), signal })
      if (answer.ok) return undefined
      const sentence = (await answer.text()).trim()
      if (finalStatuses.includes(answer.status)) return endingOf(4000 + answer.status, sentence)
      if (answer.status === 429) return endingOf(closeCodeOf("flooding"), sentence)
      return endingOf(closeCodeOf("unavailable"), sentence)
    } catch {
      return undefined // not even this request went through: the line is the reason
    }
  }

  /** The text of a document. Rejects with the server's sentence if it is refused. */
  async text(id: string, otp: string | undefined): Promise<StoredText> {
    const answer = await accepted(fetch(this.#url("text", id), { headers: bearer(otp) }))
    const etag = answer.headers.get("etag") ?? ""
    // Not `answer.text()`: that would drop a byte order mark, which is a character of the text.
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
    const text = decoder.decode(await answer.arrayBuffer())
    return { text, revision: Number(/\.(\d+)"$/.exec(etag)?.[1] ?? 0), etag }
  }

  /** Sets a new OTP and gives it. Rejects with the server's sentence if it is refused. */
  async protect(id: string, proof: Proof): Promise<string> {
    const request = this.#proven("POST", proof, {})
    const answer = await accepted(fetch(this.#protection(id), request))
    const { otp } = (await answer.json()) as { readonly otp: string } // our own server's answer
    return otp
  }

  /** Removes the OTP. Rejects with the server's sentence if it is refused. */
  async unprotect(id: string, proof: Proof, otp: string | undefined): Promise<void> {
    await accepted(fetch(this.#protection(id), this.#proven("DELETE", proof, { otp })))
  }

  #protection(id: string): string {
    return `${this.#url("document", id).href}/protect`
  }

  #proven(method: string, proof: Proof, more: { readonly otp?: string | undefined }): RequestInit {
    return {
      method,
      headers: { ...bearer(proof.secret), "content-type": "application/json" },
      body: JSON.stringify({ user_id: proof.id, user_name: proof.name, ...more }),
    }
  }

  // An id may hold anything, a slash too: it is one segment here.
  #url(route: string, id: string): URL {
    return new URL(`api/${route}/${encodeURIComponent(id.toWellFormed())}`, this.#base)
  }
}

/** Whether it may stand in a subprotocol or a header, as every token that a server draws may. */
export function isToken(otp: string | undefined): otp is string {
  return otp !== undefined && /^[\w!#$%&'*+.^`|~-]+$/.test(otp)
}

function bearer(token: string | undefined): { readonly authorization?: string } {
  return isToken(token) ? { authorization: `Bearer ${token}` } : {}
}

async function accepted(request: Promise<Response>): Promise<Response> {
  const answer = await request
  if (answer.ok) return answer
  const sentence = (await answer.text()).trim()
  throw new Error(sentence === "" ? `refused with ${answer.status}` : sentence, {
    cause: answer.status,
  })
}
