/**
 * The listeners of a part that has its own beside HTTP: over TCP, and over a unix socket.
 *
 * What always holds: `places` are those that it listens at, or did; nothing is closed that was not
 * opened, and nothing twice.
 */
import type { Log } from "./log.ts"
import type { Place, StreamListener } from "./net/tcp.ts"

/** Where a part is to listen, as the settings say it. */
export interface Wanted {
  readonly host: string
  /** Undefined for none. */
  readonly port: number | undefined
  readonly path: string | undefined
}

/** Made for each place that is wanted. */
export type ListenAt = (place: Place) => StreamListener

/** How the log tells of one that listens. */
export interface ListenersOptions {
  readonly log: Log
  readonly event: string
}

export class Listeners {
  /** `127.0.0.1:9696`, and the path of a unix socket, once they listen. */
  readonly places: string[] = []
  readonly #options: ListenersOptions
  readonly #wanted: readonly { readonly place: Place; readonly listener: StreamListener }[]
  #isListening = false

  constructor({ host, port, path }: Wanted, make: ListenAt, options: ListenersOptions) {
    this.#options = options
    const wanted: readonly Place[] = [
      ...(port === undefined ? [] : [{ host, port }]),
      ...(path === undefined ? [] : [{ path }]),
    ]
    this.#wanted = wanted.map((place) => ({ place, listener: make(place) }))
  }

  /** Rejects with one sentence when one of them cannot be had. */
  async listen(): Promise<void> {
    this.#isListening = true
    for (const { place, listener } of this.#wanted) {
      const at = await listener.listen(place)
      this.places.push(at)
      this.#options.log.info(this.#options.event, { at })
    }
  }

  /** Takes no one new, and removes its unix socket. Gives where it listened until now. */
  stop(): readonly string[] {
    if (!this.#isListening) return []
    this.#isListening = false
    for (const { listener } of this.#wanted) listener.stopListening()
    return this.places
  }
}
