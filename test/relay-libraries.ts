/**
 * Unmodified clients of two libraries, two versions each, behind one interface: y-websocket and the
 * Hocuspocus provider, as their users have them. Only their waits between attempts are shorter, and
 * their sockets can be cut.
 */
import type { TestContext } from "node:test"
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider"
import {
  HocuspocusProvider as HocuspocusProvider3,
  HocuspocusProviderWebsocket as HocuspocusProviderWebsocket3,
} from "hocuspocus-provider-3"
import { WebSocket } from "ws"
import type { Awareness } from "y-protocols/awareness"
import { WebsocketProvider } from "y-websocket"
import { WebsocketProvider as WebsocketProvider2 } from "y-websocket-2"
import * as Y from "yjs"

/** How a client comes. */
export interface Coming {
  readonly room?: string
  readonly doc?: Y.Doc
  readonly token?: string
  /** Whether its tabs speak to each other past the server; without, they do not. */
  readonly tabs?: "joined"
}

/** One client of any library. */
export interface Person {
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly isSynced: boolean
  readonly isConnected: boolean
  /** Changes that were not accepted; undefined where the library does not count them. */
  readonly unsynced: number | undefined
  /** What it was told of its access: scopes, and why it was denied. */
  readonly access: readonly string[]
  /** The code of the last close that was not its own. */
  readonly closedWith: number | undefined
  /** When a message came last, in ms since 1970; to be set back. */
  lastHeard: number
  /** Cuts its socket, as a broken line does. It comes back by itself. */
  cut(): void
  disconnect(): void
  connect(): void
  destroy(): void
}

/** A library by name, and how one of its clients is made. `origin` is `ws://127.0.0.1:PORT`. */
export interface Library {
  readonly name: string
  readonly family: "y-websocket" | "Hocuspocus"
  come(t: TestContext, origin: string, how?: Coming): Person
}

const quickly = { delay: 40, minDelay: 20, maxDelay: 100 }

/** A WebSocket that can be cut. What fails while it connects is no error of the test's. */
export class Cuttable extends WebSocket {
  constructor(url: string, protocols?: string[]) {
    super(url, protocols)
    this.on("error", () => {})
  }
}

const Socket = Cuttable as unknown as typeof globalThis.WebSocket // it has all that the libraries use

function yWebsocket(name: string, Provider: typeof WebsocketProvider): Library {
  return {
    name,
    family: "y-websocket",
    come(t, origin, { room = "notes", doc = new Y.Doc(), token, tabs } = {}) {
      const client = new Provider(`${origin}/yjs`, room, doc, {
        WebSocketPolyfill: Socket,
        maxBackoffTime: 100,
        disableBc: tabs === undefined,
        ...(token === undefined ? {} : { params: { token } }),
      })
      const closed: number[] = []
      client.on("connection-close", (event) => {
        if (event !== null) closed.push(event.code)
      })
      const destroy = () => {
        client.destroy()
        // And with it the timer of its awareness.
        doc.destroy()
      }
      t.after(destroy)
      return {
        doc,
        awareness: client.awareness,
        unsynced: undefined,
        access: [],
        get isSynced() {
          return client.synced
        },
        get isConnected() {
          return client.wsconnected
        },
        get closedWith() {
          return closed.at(-1)
        },
        get lastHeard() {
          return client.wsLastMessageReceived
        },
        set lastHeard(at) {
          client.wsLastMessageReceived = at
        },
        cut: () => (client.ws as unknown as WebSocket | null)?.terminate(), // given as its polyfill
        disconnect: () => client.disconnect(),
        connect: () => client.connect(),
        destroy,
      }
    },
  }
}

function hocuspocus(
  name: string,
  Provider: typeof HocuspocusProvider,
  Line: typeof HocuspocusProviderWebsocket,
): Library {
  return {
    name,
    family: "Hocuspocus",
    come(t, origin, { room = "notes", doc = new Y.Doc(), token = "" } = {}) {
      const url = `${origin}/hocuspocus`
      const line = new Line({ url, WebSocketPolyfill: Socket, ...quickly })
      const access: string[] = []
      const closed: number[] = []
      const client = new Provider({
        name: room,
        document: doc,
        websocketProvider: line,
        token,
        onAuthenticated: ({ scope }) => access.push(scope),
        onAuthenticationFailed: ({ reason }) => access.push(reason),
        onClose: ({ event }) => closed.push(event.code),
      })
      client.attach()
      const destroy = () => {
        client.destroy()
        line.destroy()
        // A timer of version 3 outlives it, and would connect for ever.
        line.connect = async () => {}
        doc.destroy()
      }
      t.after(destroy)
      return {
        doc,
        awareness: client.awareness!, // it makes one unless it is told not to
        access,
        get unsynced() {
          return client.unsyncedChanges
        },
        get isSynced() {
          return client.synced
        },
        get isConnected() {
          return line.status === "connected" && client.isAuthenticated
        },
        get closedWith() {
          return closed.at(-1)
        },
        get lastHeard() {
          return line.lastMessageReceived
        },
        set lastHeard(at) {
          line.lastMessageReceived = at
        },
        cut: () => (line.webSocket as unknown as WebSocket | null)?.terminate(), // given as its polyfill
        disconnect: () => line.disconnect(),
        connect: () => void line.connect(),
        destroy,
      }
    },
  }
}

/** All of them. Each older version has all that is used here of the newer one. */
export const libraries: readonly Library[] = [
  yWebsocket("y-websocket 3", WebsocketProvider),
  yWebsocket("y-websocket 2", WebsocketProvider2 as unknown as typeof WebsocketProvider), // as above
  hocuspocus("Hocuspocus provider 4", HocuspocusProvider, HocuspocusProviderWebsocket),
  hocuspocus(
    "Hocuspocus provider 3",
    HocuspocusProvider3 as unknown as typeof HocuspocusProvider, // as above
    HocuspocusProviderWebsocket3 as unknown as typeof HocuspocusProviderWebsocket, // as above
  ),
]

/** What a document says, and whether anything is missing in it. */
export function textOf({ doc }: { readonly doc: Y.Doc }): string {
  const { pendingStructs, pendingDs } = doc.store
  const isWhole = pendingStructs === null && pendingDs === null
  return `${isWhole ? "" : "pending "}${doc.getText("t").toString()}`
}

/** Writes at the end. */
export function write({ doc }: { readonly doc: Y.Doc }, text: string): void {
  doc.getText("t").insert(doc.getText("t").length, text)
}

/** Whom one sees besides itself, by the `name` that each shows. */
export function seenBy({ doc, awareness }: Person): readonly string[] {
  const others = [...awareness.getStates()].filter(([id]) => id !== doc.clientID)
  return others.map(([, state]) => String(state["name"])).toSorted()
}
