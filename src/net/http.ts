/**
 * HTTP: the server for routes, page, health and upgrades. Home of hono and @hono/node-server.
 *
 * What always holds: everything lies below the base path; every answer carries `nosniff` and
 * `no-referrer`; a stranger is told a status and one line, never a stack; and what comes in is
 * bounded in headers, body and time before anyone reads it.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { join, relative, sep } from "node:path"
import { getRequestListener, type HttpBindings } from "@hono/node-server"
import { Hono } from "hono"
import type { Metrics } from "../metrics.ts"
import {
  guard,
  type HttpAnswer,
  type HttpRequest,
  type HttpRoute,
  type Random,
} from "../service.ts"
import { statusOf } from "../wire/error.ts"
import { bodyOf } from "./body.ts"
import type { Connections } from "./connections.ts"
import { type Gate, unknownHost } from "./gate.ts"
import { OneByOne } from "./one-by-one.ts"
import { Page, type PageOptions } from "./page.ts"
import { shared } from "./sharing.ts"
import { cookiesOf, hasTooManyLines, targetOf } from "./target.ts"
import { type WebSockets, waitOf } from "./websocket.ts"

/** What a request may take: of header bytes, and of time until its headers and its body are here, in ms. */
const requestLimits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  // Above the 60 s that nginx keeps a connection, so that it is not we who close one in use.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
}

/** A socket on which nothing moves, not even an answer, is closed after that long, in ms. */
const idleSocketMs = 120_000

/** Whoever has not shaken hands with TLS by then is cut off, in ms. */
const tlsHandshakeMs = 10_000

/** A nonce is 128 bits. */
const nonceBytes = 16

const always = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" }

export interface HttpOptions {
  /** BASE_PATH: begins and ends with a slash. */
  readonly pathPrefix: string
  /** A prefix that ends with a slash has all below it, another is one path. */
  readonly routes: readonly HttpRoute[]
  readonly sockets: WebSockets
  readonly connections: Connections
  readonly gate: Gate
  readonly metrics: Metrics
  readonly random: Random
  /** Certificate and key as PEM. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Where the built page lies; without the directory there is no page. Read once, by `listen`. */
  readonly pageDirectory: string
  readonly page: PageOptions
  /** The truth about this server, 200 or 503. */
  health(): Promise<HttpAnswer>
  /** Whether newcomers are welcome. */
  isReady(): boolean
}

type Bindings = { Bindings: HttpBindings }

export class HttpListener {
  readonly #options: HttpOptions
  readonly #server: Server
  // The path as it came, where hono would decode and normalise it: a name may hold `..` or `%2F`.
  readonly #app = new Hono<Bindings>({
    getPath: (_, context) => {
      if (context?.env === undefined) throw new Error("never: the listener hands its request on")
      return targetOf(context.env.incoming).path
    },
  })
  #page: Page
  #stopping = false

  constructor(options: HttpOptions) {
    this.#options = options
    this.#page = new Page(new Map(), options.page)
    this.#mount()
    const serve = getRequestListener(this.#app.fetch, {
      // What hono's request cannot be made of: no Host, an address that is none.
      errorHandler: () => answered({ status: 400, body: "bad request" }),
    })
    const { gate, connections } = options
    const requests = new OneByOne({
      gate,
      intake: connections.intake,
      serve: (request, response) => {
        if (hasTooManyLines(request))
          response.writeHead(431, { connection: "close" }).end("too many header lines")
        else void serve(request, response)
      },
    })
    const listener = requests.take.bind(requests)
    const limits = {
      ...requestLimits,
      // Another Upgrade (h2c, say) is offered, not asked for: such a request is served as it is.
      shouldUpgradeCallback: (request: IncomingMessage) =>
        request.headers.upgrade?.toLowerCase() === "websocket",
    }
    const { tls } = options
    this.#server =
      tls === undefined
        ? createServer(limits, listener)
        : createTlsServer({ ...limits, ...tls, handshakeTimeout: tlsHandshakeMs }, listener)
    // Some releases of Node leave out what is above it: see `hasTooManyLines`.
    this.#server.maxHeadersCount = 0
    this.#server.timeout = idleSocketMs
    this.#server.on("connection", (socket) => options.gate.takeSocket(socket))
    this.#server.on("upgrade", (request, socket, head) => {
      // The types call it a Duplex; of an HTTP server it is a socket.
      options.sockets.upgrade(request, socket as Socket, head)
    })
  }

  /** Reads the page and begins to listen; port 0 takes a free one. Rejects when it cannot. */
  async listen(port: number, host: string): Promise<AddressInfo> {
    const { connections, pageDirectory, page } = this.#options
    this.#page = new Page(filesIn(pageDirectory), page)
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject)
      this.#server.listen({ port, host }, () => {
        this.#server.off("error", reject)
        // A socket that cannot be accepted (no descriptors left, say) ends nothing but itself.
        this.#server.on("error", () => connections.log.error("accept failed"))
        resolve()
      })
    })
    return this.#server.address() as AddressInfo // it listens on a port, so it is no path
  }

  /** From here on upgrades are sent away, and a socket ends with its answer. It goes on listening. */
  turnAway(): void {
    this.#stopping = true
    this.#options.sockets.stopListening()
  }

  /** Takes no new sockets either. Resolves when none is left; to end WebSockets is up to `Connections`. */
  stopListening(): Promise<void> {
    this.turnAway()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  /** Gives up on the requests that are still there, and on listening. */
  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** Every path there is. What stands first wins. */
  #mount(): void {
    const { pathPrefix, connections, gate, metrics } = this.#options
    this.#app.use(async (c, next) => {
      await next()
      if (this.#stopping) c.header("connection", "close")
    })
    this.#only("health", async () => answered(await this.#options.health()))
    this.#only("ready", async () => {
      const isReady = this.#options.isReady()
      return answered({ status: isReady ? 200 : 503, body: isReady ? "ready" : "not ready" })
    })
    this.#only("metrics", async () => {
      const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8" }
      return answered({ status: 200, headers, body: await metrics.text() })
    })
    for (const prefix of this.#options.sockets.prefixes) {
      const body = "expected a WebSocket"
      const headers = { upgrade: "websocket", connection: "upgrade" }
      this.#app.get(`${prefix}*`, (c) => {
        // Some panels of the page have the path of their part's WebSocket.
        const isPage = this.#page.has(targetOf(c.env.incoming).path.slice(pathPrefix.length))
        if (isPage) return this.#servePage(c.env.incoming)
        return answered({ status: 426, headers, body })
      })
      this.#app.all(`${prefix}*`, () => wrongMethod("GET"))
    }
    // The longest first: a prefix may lie below another.
    const routes = [...this.#options.routes].sort((a, b) => b.prefix.length - a.prefix.length)
    for (const route of routes) {
      const prefix = pathPrefix + route.prefix.slice(1)
      const paths = prefix.endsWith("/") ? `${prefix}*` : prefix
      this.#app.all(paths, ({ env: { incoming } }) =>
        shared(incoming, gate, () => this.#serve(incoming, { route, prefix })),
      )
    }
    this.#app.all(`${pathPrefix}*`, (c) => this.#servePage(c.env.incoming))
    this.#app.notFound(notFound)
    this.#app.onError((thrown) => {
      const stack = thrown.stack
      connections.log.error("internal error", { what: "http", stack })
      return answered({ status: 500, body: "internal error" })
    })
  }

  /** A path that is only read. */
  #only(path: string, answer: () => Promise<Response>): void {
    this.#app.get(this.#options.pathPrefix + path, answer)
    this.#app.all(this.#options.pathPrefix + path, () => wrongMethod("GET, HEAD"))
  }

  async #serve(
    incoming: IncomingMessage,
    { route, prefix }: { route: HttpRoute; prefix: string },
  ): Promise<Response> {
    const { gate, connections } = this.#options
    const { path, query } = targetOf(incoming)
    // hono lets the prefix without its slash in, too.
    if (!path.startsWith(prefix)) return notFound()
    if (!gate.isAskedFor(incoming.headers)) return answered({ status: 403, body: unknownHost })
    const method = incoming.method ?? "GET"
    const origin = gate.originOf(incoming.headers)
    if (origin === "foreign" && method !== "GET" && method !== "HEAD") {
      return answered({ status: 403, body: "origin not allowed" })
    }
    const address = gate.addressOf(incoming.socket.remoteAddress, incoming.headers)
    const group = gate.groupOf(address)
    const { intake } = connections
    const body = await bodyOf(incoming, { limitBytes: route.bodyBytes, intake, group })
    if (body === "too-large") {
      const given = incoming.headers["content-length"]
      const length = given === undefined ? "" : `, this one has ${given}`
      const sentence = `a body holds at most ${route.bodyBytes} bytes${length}`
      // What is left of it is not worth reading.
      return answered({ status: 413, headers: { connection: "close" }, body: sentence })
    }
    if (body === "broken off") return answered({ status: 400, body })
    if (body === "too-many") {
      const headers = { connection: "close", "retry-after": "5" }
      return answered({ status: 503, headers, body: "too much is being sent at once: try again" })
    }
    const request: HttpRequest = {
      method,
      path: path.slice(prefix.length),
      query: firstOfEach(query),
      headers: headersOf(incoming),
      // As in a handshake: a page of another origin has no use of our page's cookie.
      cookies: origin === "own" ? cookiesOf(incoming.headers) : new Map(),
      address,
      body,
    }
    const answer = await new Promise<HttpAnswer>((reply) => {
      guard(
        connections.log,
        "http route",
        () => route.answer(request, reply),
        (error) => {
          const { code, message } = error
          const status = statusOf(code)
          const wait = waitOf(error)
          const headers = wait === undefined ? {} : { "retry-after": wait }
          reply({ status, headers, body: code === "internal" ? "internal error" : message })
        },
      )
    })
    return answered(answer)
  }

  async #servePage(incoming: IncomingMessage): Promise<Response> {
    const { pathPrefix, random, gate } = this.#options
    const { path } = targetOf(incoming)
    if (!path.startsWith(pathPrefix)) return notFound()
    if (!gate.isAskedFor(incoming.headers)) return answered({ status: 403, body: unknownHost })
    const name = path.slice(pathPrefix.length)
    if (incoming.method !== "GET" && incoming.method !== "HEAD") {
      return this.#page.has(name) ? wrongMethod("GET, HEAD") : notFound()
    }
    const answer = await this.#page.answer(name, {
      nonce: Buffer.from(random(nonceBytes)).toString("base64"),
      accepts: `${incoming.headers["accept-encoding"] ?? ""}`,
      has: incoming.headers["if-none-match"] ?? "",
    })
    if (answer === undefined) return this.#page.isMissing(name) ? notBuilt() : notFound()
    const { headers, body } = answer
    if (body === undefined)
      return new Response(null, { status: 304, headers: { ...always, ...headers } })
    return new Response(body, { headers: { ...always, ...lengthOf(body), ...headers } })
  }
}

/** An answer as it goes out: plain text unless it says otherwise, and not to be kept. */
function answered({ status, headers = {}, body }: HttpAnswer): Response {
  // Headers checks what a service wrote into them: a bad one becomes a 500.
  const all = new Headers({ ...always, "cache-control": "no-store", ...lengthOf(body ?? "") })
  if (body === undefined) all.delete("content-length")
  else all.set("content-type", "text/plain; charset=utf-8")
  for (const [name, value] of Object.entries(headers)) all.set(name, value)
  return new Response(body ?? null, { status, headers: all })
}

/** Said outright, so that an answer to HEAD has it too. */
function lengthOf(body: string | Uint8Array): Record<string, string> {
  return { "content-length": `${Buffer.byteLength(body)}` }
}

function notFound(): Response {
  return answered({ status: 404, body: "not found" })
}

function notBuilt(): Response {
  const body = `the page is not built: run "npm run prepare" in the checkout, then start the server`
  return answered({ status: 404, body })
}

function wrongMethod(allow: string): Response {
  return answered({ status: 405, headers: { allow }, body: "method not allowed" })
}

function headersOf(incoming: IncomingMessage): ReadonlyMap<string, string> {
  const entries = Object.entries(incoming.headers)
  return new Map(
    entries.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : `${value}`]),
  )
}

function firstOfEach(query: URLSearchParams): ReadonlyMap<string, string> {
  // Later entries of a Map win, so the first must come last.
  return new Map([...query].reverse())
}

/** All files below `directory`, by path with slashes; none where there is no such directory. */
function filesIn(
  directory: string,
): ReadonlyMap<string, { bytes: Uint8Array<ArrayBuffer>; etag: string }> {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return new Map()
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  // Links are not followed: isFile is false for them.
  const files = entries.filter((entry) => entry.isFile())
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const { size, mtimeMs } = statSync(path)
      const etag = `W/"${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}"`
      return [relative(directory, path).split(sep).join("/"), { bytes: readFileSync(path), etag }]
    }),
  )
}
