/**
 * How the relay does, looked up while somebody looks: health, deliveries, and the rooms here.
 *
 * What always holds: nothing is asked for while the panel or the window is hidden; after an answer
 * that failed the next question waits longer; an admin's token is kept in memory only.
 */
import { Cell, type Undo } from "../cell.ts"
import { openPart } from "../panels.ts"
import {
  deliveriesIn,
  type Health,
  healthOf,
  numberAt,
  type RoomsSeen,
  roomsOf,
} from "./figures-read.ts"

const lookMs = 2_000
/** A server that is gone is not asked at that pace. */
const patientMs = 10_000
/** Two minutes. */
const limitSamples = 60

/** One look. */
export interface Sample {
  /** ms since 1970. */
  readonly at: number
  readonly deliveriesPerSecond: number
  /** How long a probe took over the bus; undefined where it did not come back. */
  readonly probeMs: number | undefined
}

export class Figures {
  readonly samples = new Cell<readonly Sample[]>([])
  /** Undefined while the server does not answer. */
  readonly health = new Cell<Health | undefined>(undefined)
  readonly rooms = new Cell<RoomsSeen>({ state: "unasked" })
  readonly #before = { at: 0, deliveries: Number.NaN }
  #adminToken: string | undefined
  // Without a token only who is on the machine itself may look: elsewhere the refusal is known.
  #asksForRooms = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Looks from now on, until it is undone. */
  watch(): Undo {
    const look = (): void => {
      clearTimeout(this.#timer)
      if (openPart.value !== "relay" || document.hidden) return
      void this.#look().then((how) => {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(look, how === "well" ? lookMs : patientMs)
      })
    }
    look()
    const forget = openPart.watch(look)
    document.addEventListener("visibilitychange", look)
    return () => {
      forget()
      document.removeEventListener("visibilitychange", look)
      clearTimeout(this.#timer)
    }
  }

  /** Asks for the rooms with an admin's token from now on. */
  async admit(token: string): Promise<void> {
    this.#adminToken = token
    this.#asksForRooms = true
    await this.#lookAtRooms()
  }

  async #look(): Promise<"well" | "badly"> {
    try {
      const [health, figures] = await Promise.all([fetch("./health"), fetch("./metrics")])
      const body: unknown = await health.json()
      this.health.value = healthOf(body)
      const probe = numberAt(body, ["probe", "roundTripMs"])
      if (figures.ok) this.#sample(deliveriesIn(await figures.text()), probe)
      await this.#lookAtRooms()
      return "well"
    } catch {
      // No line, or an answer that is none: what is shown says so, and it is looked at again.
      this.health.value = undefined
      this.#before.deliveries = Number.NaN
      return "badly"
    }
  }

  async #lookAtRooms(): Promise<void> {
    if (!this.#asksForRooms) return
    const token = this.#adminToken
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await fetch("./api/relay/rooms", { headers })
    if (answer.ok) {
      this.rooms.value = roomsOf(await answer.json())
      return
    }
    // It would be refused again: each time the browser would write it into its log.
    this.#asksForRooms = false
    this.#adminToken = undefined
    const sentence = token === undefined ? "" : await answer.text()
    this.rooms.value = { state: "refused", sentence }
  }

  #sample(deliveries: number, probeMs: number | undefined): void {
    const at = Date.now()
    const { at: before, deliveries: counted } = this.#before
    Object.assign(this.#before, { at, deliveries })
    // The first look has nothing to compare with, and a server that began anew counts from 0.
    const grown = deliveries - counted
    if (Number.isNaN(grown) || grown < 0) return
    const deliveriesPerSecond = (grown / Math.max(1, at - before)) * 1_000
    const samples = [...this.samples.value, { at, deliveriesPerSecond, probeMs }]
    this.samples.value = samples.slice(-limitSamples)
  }
}

/** One for the page: what was seen stays when one comes back to the panel. */
export const figures = new Figures()
