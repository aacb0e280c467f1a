/** What tests of blocks share: two apps, a question at a time, and memory in a folder of its own. */
import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { Log } from "../src/log.ts"
import { type KeptContents, KeptHere, type Memory } from "../src/memory.ts"
import { openFiles } from "../src/memory-files.ts"
import { seeded } from "./operators-stage.ts"
import { type End, type Heard, Sea, type SeaOptions } from "./pools-parts.ts"

let asked = 0
let folders = 0

export interface BlockStage {
  readonly sea: Sea
  readonly ada: End
  readonly bob: End
  /** Asks about block `b`, or the one that the fields name; gives the answer. */
  readonly as: (end: End, operation: string, fields?: object) => Heard
}

/** Two apps in pool `default`. */
export function blockStage(options: SeaOptions = {}): BlockStage {
  const sea = new Sea(options)
  const as = (end: End, operation: string, fields: object = {}) => {
    const id = sent(end, operation, fields)
    sea.pass(0)
    return end.answerTo(id)
  }
  return { sea, ada: sea.app("ada"), bob: sea.app("bob"), as }
}

/** Asks, and gives the question's id: for answers that take their time. */
export function sent(end: End, operation: string, fields: object = {}): string {
  const id = `m${++asked}`
  end.says({ type: "memory", id, operation, block_id: "b", ...fields })
  return id
}

/** The result of an answer that has to be a success. */
export function result(answer: Heard): Heard {
  assert.equal(answer["status"], "success", JSON.stringify(answer))
  return answer["result"] as Heard // an object, where the answer is a success
}

/** An answer that has to be this error. */
export function refused(answer: Heard, code: string): Heard {
  assert.equal(answer["error_code"], code, JSON.stringify(answer))
  return answer
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64")
}

/** What a read says, as text. */
export function textOf(answer: Heard): string {
  return Buffer.from(String(result(answer)["data"]), "base64").toString()
}

/** A folder that goes with the test. */
export function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "quartet-blocks-"))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Memory in files below `dir`, as one server has it. */
export function filesIn(
  dir: string,
  more: {
    readonly kept?: KeptContents
    readonly lines?: object[]
    readonly now?: number
    readonly gid?: number
  } = {},
): Memory {
  const log = new Log("debug", (line) => more.lines?.push(JSON.parse(line)))
  const random = seeded(1_000 + folders++)
  const now = () => more.now ?? Date.now()
  const uid = process.getuid?.() ?? 0
  const { gid } = more
  return openFiles({ dir, uid, gid, random, log, now, kept: more.kept ?? new KeptHere() })
}

/** When a process began, as /proc says. */
export function startedAt(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1")
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19])
}
