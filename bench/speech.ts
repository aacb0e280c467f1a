/**
 * What editors say to the peers' servers and hear from them: ShareDB's protocol, and that of the
 * small server around ot.js.
 *
 * What always holds: the revision of an edit that is told stands at one place of the message, so
 * that hundreds of editors need not read all of it.
 */
import type { PeerOperation } from "./peers/texts.ts"
import type { Peer } from "./target.ts"

/** A change, and where in which text. */
export interface Written {
  readonly seq: number
  readonly revision: number
  readonly place: number
  readonly deleted: number
  readonly inserted: string
  /** Of the text before it. */
  readonly length: number
}

/** What one message says. Without `seq` the oldest edit of its editor that was not yet is acknowledged. */
export type Said =
  | {
      readonly kind: "joined"
      readonly author: number
      readonly revision: number
      readonly text: string
    }
  | {
      readonly kind: "edit"
      readonly author: number
      readonly revision: number
      readonly operation: PeerOperation
    }
  | { readonly kind: "acknowledged"; readonly revision: number; readonly seq?: number }
  | { readonly kind: "refused" }
  | { readonly kind: "nothing" }

/** One peer's protocol, for one document. */
export interface Speech {
  /** What an editor says once it is connected; the `index`-th one. */
  join(index: number): readonly string[]
  /** What makes the document with `text` in it; it leads to revision 1. */
  begin(text: string): string
  edit(written: Written): string
  operation(written: Written): PeerOperation
  /** Where the revision stands in a message of bytes from `start` on; undefined if it tells no edit. */
  revisionAt(buffer: Buffer, start: number): number | undefined
  read(message: string): Said
}

/** The protocol of `peer` for the document `id`. */
export function speechOf(peer: Peer, id: string): Speech {
  return peer === "sharedb" ? shareDb(id) : otJs
}

interface ShareDbMessage {
  readonly a: string
  readonly data?: { readonly v: number; readonly data?: string }
  readonly src?: string
  readonly seq?: number
  readonly v?: number
  readonly op?: PeerOperation
  readonly error?: unknown
}

const textType = "http://sharejs.org/types/text-unicode"
const letterC = 0x63

function shareDb(id: string): Speech {
  // The server tells `a` and then `c`; it gives a refused request back as it was said: `a`, then `d`.
  const said = `{"a":"op","d":${JSON.stringify(id)},"c":"docs"`
  const told = `{"a":"op","c":"docs","d":${JSON.stringify(id)},"v":`
  const author = /^e(\d+)$/
  let index = 0
  return {
    join: (own) => {
      index = own
      return [
        JSON.stringify({ a: "hs", id: `e${own}`, protocol: 1, protocolMinor: 2 }),
        JSON.stringify({ a: "s", c: "docs", d: id, v: null }),
      ]
    },
    begin: (text) => {
      const create = JSON.stringify({ type: textType, data: text })
      return `${said},"v":0,"seq":1,"x":{},"create":${create}}`
    },
    edit(written) {
      const operation = JSON.stringify(this.operation(written))
      return `${said},"v":${written.revision},"seq":${written.seq + 1},"x":{},"op":${operation}}`
    },
    operation: ({ place, deleted, inserted }) => [
      ...(place > 0 ? [place] : []),
      ...(inserted !== "" ? [inserted] : []),
      ...(deleted > 0 ? [{ d: deleted }] : []),
    ],
    revisionAt: (buffer, start) =>
      buffer[start + 11] === letterC ? start + told.length : undefined,
    read: (text) => {
      const message = JSON.parse(text) as ShareDbMessage // of a server we started
      const { a, data, v = 0, seq = 0, op, src = "" } = message
      if (message.error !== undefined) return { kind: "refused" }
      if (a === "s") {
        return { kind: "joined", author: index, revision: data?.v ?? 0, text: data?.data ?? "" }
      }
      if (a !== "op") return { kind: "nothing" }
      if (op === undefined) return { kind: "acknowledged", revision: v, seq: seq - 1 }
      return { kind: "edit", author: Number(author.exec(src)?.[1]), revision: v, operation: op }
    },
  }
}

interface OtMessage {
  readonly doc?: { readonly id: number; readonly revision: number; readonly text: string }
  readonly ack?: number
  readonly operation?: {
    readonly revision: number
    readonly author: number
    readonly components: PeerOperation
  }
}

const otTold = '{"operation":{"revision":'
const letterO = 0x6f

const otJs: Speech = {
  join: () => [],
  begin: (text) => JSON.stringify({ revision: 0, operation: [text] }),
  edit(written) {
    const { revision } = written
    return `{"revision":${revision},"operation":${JSON.stringify(this.operation(written))}}`
  },
  operation: ({ place, deleted, inserted, length }) => [
    ...(place > 0 ? [place] : []),
    ...(inserted !== "" ? [inserted] : []),
    ...(deleted > 0 ? [-deleted] : []),
    ...(length > place + deleted ? [length - place - deleted] : []),
  ],
  revisionAt: (buffer, start) =>
    buffer[start + 2] === letterO ? start + otTold.length : undefined,
  read: (text) => {
    const { doc, ack, operation } = JSON.parse(text) as OtMessage // of a server of our own
    if (doc !== undefined) {
      return { kind: "joined", author: doc.id, revision: doc.revision, text: doc.text }
    }
    if (ack !== undefined) return { kind: "acknowledged", revision: ack }
    if (operation === undefined) return { kind: "nothing" }
    const { revision, author, components } = operation
    return { kind: "edit", author, revision, operation: components }
  },
}
