/**
 * Rooms of the relay, for a CRDT of any kind: the relay carries its bytes and never looks into them.
 */
import { socketAddress } from "./address.ts"
import { Room, type RoomOptions } from "./room.ts"

/** The relay of one server. */
export class Relay {
  readonly #url: string

  /** Opened by `connect`. Throws TypeError when `url` is no server's address. */
  constructor(url: string) {
    this.#url = socketAddress(url, "collab")
  }

  /**
   * Brings this replica into a room; who else is in it is a replica of the same document, and has
   * the same `key` if there is one. Returns at once; it connects, and reconnects.
   */
  room(name: string, options: RoomOptions): Room {
    return new Room(`${this.#url}/${encodeURIComponent(name)}`, name, options)
  }
}
