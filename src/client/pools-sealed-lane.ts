/**
 * The lane of one encrypted pool: seals what an app says in it, opens what it hears, and stays in
 * the pool through its epochs. It comes with the keys.
 *
 * What always holds: what a call is sealed with is known as long as the call; over a connection that
 * is lost nothing more goes, and nothing that came over it is told.
 */
import type { PoolBlocks } from "./blocks-shapes.ts"
import type { Keyring } from "./keys.ts"
import type { Fields, Hearing, Saying } from "./pools-frames.ts"
import type { Door, Keys, Lane, LaneGround } from "./pools-sealed.ts"
import { sealedBlocks } from "./pools-sealed-blocks.ts"
import { Heard } from "./pools-sealed-heard.ts"
import { keysOf } from "./pools-sealed-keys.ts"
import { Said } from "./pools-sealed-said.ts"
import { Standing } from "./pools-sealed-standing.ts"
import { refuse, type Talk } from "./pools-sealed-talk.ts"

export class SealedLane implements Lane {
  readonly keys: Keys
  readonly #talk: Talk
  readonly #said: Said
  readonly #heard: Heard
  #isRetired = false

  constructor(ring: Keyring, ground: LaneGround) {
    const standing = new Standing(ring, ground)
    const tables = { own: new Map(), given: new Map(), asked: new Map() }
    this.#talk = { ring, ground, standing, ...tables }
    this.#said = new Said(this.#talk)
    this.#heard = new Heard(this.#talk, this.#said)
    this.keys = keysOf(ring, {
      ask: (operation, fields) => ground.ask(operation, fields, "soon"),
      goOn: () => standing.goOn(),
    })
  }

  get unsentBytes(): number {
    return this.#said.bytes
  }

  async enter(ask: Door["ask"]): Promise<Fields> {
    const { rights, members } = await this.#talk.standing.enter(ask)
    return { rights, members }
  }

  say(message: Saying): void {
    if (!this.#isRetired) this.#said.say(message)
  }

  hear(message: Hearing): "taken" | "other" {
    return this.#heard.hear(message)
  }

  over(call: number): void {
    this.#talk.own.delete(call)
  }

  lost(): void {
    const { standing, given, asked } = this.#talk
    standing.lost()
    given.clear()
    asked.clear()
  }

  retire(): void {
    const { own, asked } = this.#talk
    const sentence = "its pool was joined with other keys"
    const fault = { code: "connection-lost", sentence, executionUncertain: true } as const
    const open = [...own.keys(), ...asked.keys()]
    this.lost()
    for (const id of open) refuse(this.#talk, id, fault)
    this.#isRetired = true
  }

  blocks(open: PoolBlocks): PoolBlocks {
    const { ring, ground, standing } = this.#talk
    const { errorOf } = ground
    return sealedBlocks(open, { ring, errorOf, reachBack: () => standing.reachBack() })
  }
}
