/**
 * The bodies of what servers say to each other, kind by kind; bus.ts has what stands before them.
 *
 * What always holds: what is written here is read back as the same message.
 */

import type { Beacon, BusMessage, FarRow } from "./bus.ts"
import { readAct, writeAct } from "./bus-acts.ts"
import {
  opaqueKinds,
  readHeads,
  readNames,
  readOpaque,
  writeHeads,
  writeNames,
  writeOpaque,
} from "./bus-opaque.ts"
import {
  bad,
  bytesOfHex,
  hexOf,
  list,
  nameBytes,
  oneOf,
  originBytes,
  stateBytes,
} from "./bus-shapes.ts"
import type { Reader, Writer } from "./varints.ts"

const noHash = "0000000000000000"
const seals = ["unsaid", "opaque", "sealed"] as const
const outcomes = ["content", "no-holder", "too-big", "refused"] as const

/** The number of each kind. */
export const kinds = {
  open: 1,
  update: 2,
  resync: 3,
  beacon: 4,
  shut: 5,
  message: 6,
  ask: 7,
  rows: 8,
  table: 9,
  state: 10,
  answer: 11,
  diff: 12,
  hello: 14,
  control: 15,
  ...opaqueKinds,
} as const satisfies Readonly<Record<BusMessage["kind"], number>>

/** Writes what follows the header. */
export function writeBody(writer: Writer, message: BusMessage): void {
  switch (message.kind) {
    case "shut":
      return
    case "update":
      writer.raw(message.update)
      return
    case "resync":
      writer.uint(message.serial).bytes(message.vector).uint(message.from.length)
      for (const origin of message.from) writer.raw(bytesOfHex(origin))
      return
    case "open":
    case "beacon":
      return writeBeacon(writer, message)
    case "message":
      writer.text(message.text)
      return
    case "ask":
      writer.raw(bytesOfHex(message.target)).uint(message.id)
      writer.uint(message.isViewer ? 1 : 0).bytes(message.vector)
      return
    case "rows":
    case "table":
      return writeRows(writer, message.rows)
    case "state":
      writer.text(message.room).uint(message.epoch)
      writeBeacon(writer, message)
      writer.bytes(message.vector)
      writeRows(writer, message.rows)
      return writeNames(writer, message.names)
    case "answer":
      writer.text(message.room).uint(message.id).uint(outcomes.indexOf(message.outcome))
      writer.bytes(message.update).bytes(message.version)
      return writeHeads(writer, message.heads)
    case "diff":
      writer.text(message.room).uint(message.serial).bytes(message.update)
      return
    case "hello":
      writer
        .text(message.serverId)
        .uint(message.upMs)
        .uint(message.isDraining ? 1 : 0)
      return
    case "control":
      return writeAct(writer, message.act)
    case "change":
    case "resend":
    case "names":
    case "roll":
    case "replay":
      return writeOpaque(writer, message)
  }
}

/** Reads what follows the header. Throws WireError "bad-message". */
export function readBody(reader: Reader, kind: number): BusMessage {
  switch (kind) {
    case kinds.open:
      return { kind: "open", ...readBeacon(reader) }
    case kinds.update:
      return { kind: "update", update: reader.rest() }
    case kinds.resync:
      return {
        kind: "resync",
        serial: reader.uint(),
        vector: reader.bytes(),
        from: list(reader, originBytes, () => hexOf(reader.take(originBytes))),
      }
    case kinds.beacon:
      return { kind: "beacon", ...readBeacon(reader) }
    case kinds.shut:
      return { kind: "shut" }
    case kinds.message:
      return { kind: "message", text: reader.text(stateBytes) }
    case kinds.ask:
      return {
        kind: "ask",
        target: hexOf(reader.take(originBytes)),
        id: reader.uint(),
        isViewer: reader.uint() === 1,
        vector: reader.bytes(),
      }
    case kinds.rows:
      return { kind: "rows", rows: readRows(reader) }
    case kinds.table:
      return { kind: "table", rows: readRows(reader) }
    case kinds.state:
      return {
        kind: "state",
        room: reader.text(nameBytes),
        epoch: reader.uint(),
        ...readBeacon(reader),
        vector: reader.bytes(),
        rows: readRows(reader),
        names: readNames(reader),
      }
    case kinds.answer:
      return {
        kind: "answer",
        room: reader.text(nameBytes),
        id: reader.uint(),
        outcome: oneOf(outcomes, reader.uint()),
        update: reader.bytes(),
        version: reader.bytes(),
        heads: readHeads(reader),
      }
    case kinds.diff:
      return {
        kind: "diff",
        room: reader.text(nameBytes),
        serial: reader.uint(),
        update: reader.bytes(),
      }
    case kinds.hello:
      return {
        kind: "hello",
        serverId: reader.text(nameBytes),
        upMs: reader.uint(),
        isDraining: reader.uint() === 1,
      }
    case kinds.control:
      return { kind: "control", act: readAct(reader) }
  }
  const message = readOpaque(reader, kind)
  if (message === undefined) throw bad(`of an unknown kind, ${kind}`)
  return message
}

function writeBeacon(writer: Writer, { lastSeq, holders, hash, isBlank, seal }: Beacon): void {
  writer
    .uint(lastSeq)
    .uint(holders)
    .raw(bytesOfHex(hash === "" ? noHash : hash))
  writer.uint((isBlank ? 1 : 0) + 2 * seals.indexOf(seal))
}

function readBeacon(reader: Reader): Beacon {
  const [lastSeq, holders] = [reader.uint(), reader.uint()]
  const hash = hexOf(reader.take(originBytes))
  const flags = reader.uint()
  const seal = oneOf(seals, Math.floor(flags / 2))
  return { lastSeq, holders, hash, isBlank: flags % 2 === 1, seal }
}

function writeRows(writer: Writer, rows: readonly FarRow[]): void {
  writer.uint(rows.length)
  for (const { id, owner, version, state } of rows) {
    writer
      .uint(id)
      .uint(owner)
      .uint(version)
      .text(state ?? "null")
  }
}

function readRows(reader: Reader): readonly FarRow[] {
  return list(reader, 4, () => {
    const row = { id: reader.uint(), owner: reader.uint(), version: reader.uint() }
    const state = reader.text(stateBytes)
    return { ...row, state: state === "null" ? null : state }
  })
}
