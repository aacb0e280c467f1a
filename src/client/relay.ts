/**
 * Rooms of the relay, for a CRDT of any kind: the relay carries its bytes and never looks into them.
 */
import { Room, type RoomOptions } from "./room.ts"

/** The relay of one server. */
export class Relay {
  readonly #url: URL

  /** Opened by `connect`. Throws TypeError when `url` is no address. */
  constructor(url: string) {
    this.#url = new URL(url)
    // The path of a page's folder stays: a server may lie below one.
    this.#url.protocol = this.#url.protocol.replace("http", "ws")
    this.#url.pathname = this.#url.pathname.replace(/\/*$/, "/collab/")
    this.#url.search = ""
    this.#url.hash = ""
  }

  /**
   * Brings this replica into a room; who else is in it is a replica of the same document, and has
   * the same `key` if there is one. Returns at once; it connects, and reconnects.
   */
  room(name: string, options: RoomOptions): Room {
    return new Room(`${this.#url.href}${encodeURIComponent(name)}`, name, options)
  }
}
