/**
 * An extended editor with the full role, for tests of who governs a document: it asks over HTTP with
 * the secret of its Welcome, and waits until the disk has what it asked for.
 */
import assert from "node:assert/strict"
import type { HttpAnswer } from "../src/service.ts"
import type { Arrival, FarEnd, Heard, Pad } from "./far-end.ts"

/** The answer to who makes a link. */
export interface Link {
  readonly link: string
  readonly ref: string
  readonly expires_at: string | null
}

/** What an extended editor is told first, as far as tests of access read it. */
export interface Welcome {
  readonly id: number
  readonly role: string
  readonly secret: string
  readonly otp?: string
  readonly expires_at: string | null
}

/** What an extended editor was told when it joined. */
export function welcomed(far: FarEnd): Welcome {
  return far.all("Welcome")[0] as Welcome // it has joined
}

/** What the owner of a document may ask for, by the secret of its Welcome. */
export class Owner {
  readonly #server: Pad
  readonly far: FarEnd
  readonly id: string
  readonly headers: Readonly<Record<string, string>>

  constructor(server: Pad, id: string, arrival: Arrival = {}) {
    this.#server = server
    this.id = id
    this.far = server.extend(id, "owner", {}, arrival)
    this.headers = { authorization: `Bearer ${welcomed(this.far).secret}` }
  }

  /** The answer to a request below `/api/document/{id}/`, once it is durable. */
  async asks(method: string, path: string, body?: object): Promise<HttpAnswer> {
    const named = { user_id: welcomed(this.far).id, ...body }
    const more = { headers: this.headers, ...(body && { body: JSON.stringify(named) }) }
    const name = encodeURIComponent(this.id)
    const asked = this.#server.request(method, `/api/document/${name}/${path}`, more)
    await this.#server.durable()
    return asked
  }

  /** A link that was made. */
  async link(wish: object = { role: "edit" }): Promise<Link> {
    const { status, body = "" } = await this.asks("POST", "links", wish)
    assert.equal(status, 201, body)
    return JSON.parse(body)
  }

  async list(): Promise<readonly Heard[]> {
    const { body = "" } = await this.asks("GET", "links")
    return JSON.parse(body)
  }
}
