/**
 * The architecture, held by a test: who may import whom, by which door, where each dependency and
 * each global has its home, and what a file may look like. ARCHITECTURE.md has the reasons.
 */
import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { test } from "node:test"

const root = join(import.meta.dirname, "..")

/** What a layer may import besides its own folder: a layer, or one file. */
const directions: Readonly<Record<string, readonly string[]>> = {
  ot: [],
  wire: ["ot/operation"],
  // What the client takes from wire as values must not reach wire/schema: see the last test.
  client: ["wire", "ot"],
  web: ["client"],
  service: ["log", "wire/error"],
  log: [],
  metrics: [],
  store: ["service", "log", "memory"],
  bus: ["service", "log", "metrics"],
  documents: ["service", "store", "log", "metrics", "wire", "ot"],
  relay: ["service", "store", "log", "metrics", "bus/bus", "wire"],
  operators: ["service", "store", "log", "wire"],
  pools: ["service", "store", "log", "metrics", "memory", "wire"],
  memory: ["service", "log", "wire"],
  tokens: ["service", "wire/error"],
  net: ["service", "log", "metrics", "wire"],
  config: ["log", "relay/limits"],
  server: [
    "package.json",
    "config",
    "service",
    "store",
    "tokens",
    "log",
    "metrics",
    "bus",
    "documents",
    "relay",
    "operators",
    "pools",
    "memory",
    "net",
    "wire",
  ],
  collab: ["service", "tokens", "log", "bus", "relay", "wire"],
  cli: ["client", "server", "config", "store", "documents", "operators", "memory", "wire"],
  main: ["cli"],
}

/** Folders that others enter only by the files of these names. Libraries (wire, ot, net, client, cli) have no door. */
const doors: Readonly<Record<string, readonly string[]>> = {
  documents: ["documents", "routes", "settings", "shelf-sqlite"],
  operators: ["operators", "passwords", "secret", "invitations"],
  pools: ["pools"],
  bus: ["bus", "memory"],
}

/** The files that may import a package or a module of Node. */
const homes: Readonly<Record<string, readonly string[]>> = {
  ws: ["net/websocket"],
  hono: ["net/http"],
  "@hono/node-server": ["net/http"],
  typebox: ["wire/schema"],
  lib0: ["wire/varints", "client/yjs", "client/yjs-tabs"],
  yjs: ["relay/vectors", "client/yjs-messages", "client/yjs-sealed", "web/relay"],
  "y-codemirror.next": ["web/relay/editor"],
  "y-protocols": ["client/yjs", "client/yjs-messages", "client/yjs-sealed"],
  jose: ["tokens"],
  pino: ["log"],
  "@redis/client": ["bus/redis-lines"],
  "prom-client": ["metrics"],
  preact: ["web"],
  uqr: ["web/documents/share-code"],
  "@codemirror": ["client/codemirror", "client/carets", "web/documents", "web/relay"],
  "@lezer": ["web/documents"],
  "@replit/codemirror-vim": ["web/documents/vim"],
  "node:sqlite": ["store", "memory"],
  koffi: ["client/shm"],
  "node:zlib": ["memory", "client/shm"],
  "node:net": ["net/tcp", "net", "client/tcp", "client/socks"],
  "node:tls": ["net/tcp", "net", "client/tcp"],
  "node:http": ["net/http", "net"],
  "node:https": ["net/http"],
  "node:stream": ["cli"],
  "node:string_decoder": ["cli"],
  "node:child_process": ["cli"],
  "node:crypto": [
    "tokens",
    "collab",
    "relay/routes",
    "relay/copies-seal",
    "bus/seal",
    "documents/access",
    "documents/authors",
    "relay/vectors",
    "operators/secret",
    "pools/keys",
    "pools/repeats",
    "memory",
    "client/keys-node",
    "cli/invite",
    "cli/doctor-pools",
    "server",
  ],
  "node:fs": [
    "store",
    "memory",
    "net/http",
    "net/tcp",
    "client/keys-node",
    "client/shm",
    "cli",
    "server",
  ],
  "node:worker_threads": ["store"],
  "node:path": ["store", "memory", "net/http", "cli", "server", "main"],
  "node:module": ["main"],
  "node:os": ["cli", "server"],
  "node:readline": ["cli"],
  "node:util": ["cli"],
}

/** Globals that only some files may use. */
const globals: Readonly<Record<string, readonly string[]>> = {
  "process.env": ["main"],
  "process.argv": ["main"],
  "Date.now": ["server", "collab", "client", "cli", "web"],
  "Math.random": ["client", "web"],
  "new Date()": ["web"],
  "performance.now": ["client", "web"],
  setTimeout: ["server", "collab", "client", "cli", "web"],
  setInterval: ["server", "collab", "client", "web"],
  setImmediate: ["net/turn"],
}

/** Names that a foreign library gave, which ours must share to be taken for it. */
const foreignNames: readonly string[] = ["WebsocketProvider", "createRedisAdapter"]

const bannedWords =
  /manager|handler|helper|utils?|common|base(?!Length|line|64)|impl|adapter|provider|factory/i

interface Source {
  /** `documents/shelf`: below src or, for the page, `web/…`; without its ending. */
  readonly name: string
  readonly text: string
  readonly imports: readonly Import[]
}

interface Import {
  readonly from: string
  readonly typeOnly: boolean
}

function read(folder: string, prefix: string): readonly Source[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
  return files
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => {
      const text = readFileSync(join(root, folder, file), "utf8")
      return { name: prefix + file.replace(/\.tsx?$/, ""), text, imports: importsOf(text) }
    })
}

function importsOf(text: string): readonly Import[] {
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm,
  )
  return [...statements].map((match) => ({
    typeOnly: match[1] !== undefined || onlyTypes(match[0]),
    from: match[2] ?? match[3] ?? "",
  }))
}

/** Whether each name in the braces is marked as a type. */
function onlyTypes(statement: string): boolean {
  const braces = /\{([^}]*)\}/.exec(statement)?.[1]
  const names = (braces ?? "").split(",").filter((name) => name.trim() !== "")
  return names.length > 0 && names.every((name) => name.trim().startsWith("type "))
}

const sources = [...read("src", ""), ...read("web", "web/")]

/** The first part of a name: the layer. `store-checkpoint` belongs to `store`. */
function layerOf(name: string): string {
  const first = name.split("/")[0] ?? ""
  return first.split("-")[0] ?? first
}

function resolve(source: Source, from: string): string {
  const folder = source.name.startsWith("web/")
    ? dirname(source.name)
    : dirname(join("src", source.name))
  const path = normalize(join(folder, from)).replace(/\.(tsx?|css)$/, "")
  return path.replace(/^src\//, "")
}

function within(name: string, allowed: readonly string[]): boolean {
  return allowed.some(
    (each) => name === each || name.startsWith(`${each}/`) || layerOf(name) === each,
  )
}

function none(found: readonly string[]): void {
  assert.deepEqual(found, [])
}

test("SV33 folders import each other only in the directions that are drawn", () => {
  none(
    sources.flatMap((source) =>
      source.imports
        .filter(({ from }) => from.startsWith("."))
        .map(({ from }) => resolve(source, from))
        .filter((target) => layerOf(target) !== layerOf(source.name))
        .filter((target) => !within(target, directions[layerOf(source.name)] ?? []))
        .map((target) => `${source.name} imports ${target}`),
    ),
  )
})

test("SV33 each direction, home and place of a global is one that something needs", () => {
  const used = (layer: string) =>
    sources
      .filter((source) => layerOf(source.name) === layer)
      .flatMap((source) => source.imports.map(({ from }) => resolve(source, from)))
  const directed = Object.entries(directions).flatMap(([layer, allowed]) =>
    allowed
      .filter((each) => !used(layer).some((target) => within(target, [each])))
      .map((each) => `${layer} imports nothing of ${each}`),
  )
  const housed = Object.entries(homes).flatMap(([name, places]) =>
    places
      .filter((place) => !lives(place, ({ imports }) => imports.some(isValueOf(name))))
      .map((place) => `${name} has no use in ${place}`),
  )
  const placed = Object.entries(globals).flatMap(([name, places]) =>
    places
      .filter((place) => !lives(place, ({ text }) => withoutComments(text).includes(name)))
      .map((place) => `${name} is not used in ${place}`),
  )
  none([...directed, ...housed, ...placed])
})

function lives(place: string, uses: (source: Source) => boolean): boolean {
  return sources.some((source) => within(source.name, [place]) && uses(source))
}

function isValueOf(name: string): (each: Import) => boolean {
  return ({ from, typeOnly }) => !typeOnly && packageOf(from) === name
}

test("SV33 ARCHITECTURE.md says who may import whom as it is held", () => {
  const said = new Map<string, string>()
  const text = readFileSync(join(root, "ARCHITECTURE.md"), "utf8")
  for (const [, from = "", may = ""] of text.matchAll(/^\| ([a-z, ]+) \| (.+) \|$/gm)) {
    for (const layer of from.split(", ")) said.set(layer, may)
  }
  none(
    Object.entries(directions)
      .map(([layer, allowed]) => ({ layer, held: allowed.join(", ") || "nothing" }))
      // What is said besides comes after a semicolon.
      .filter(({ layer, held }) => said.get(layer)?.split(";")[0] !== held)
      .map(({ layer, held }) => `${layer}: ${said.get(layer)}, and not ${held}`),
  )
})

test("SV33 a folder is entered by its door", () => {
  none(
    sources.flatMap((source) =>
      source.imports
        .filter(({ from }) => from.startsWith("."))
        .map(({ from }) => resolve(source, from))
        .filter((target) => layerOf(target) !== layerOf(source.name) && target.includes("/"))
        .filter((target) => {
          const [folder = "", file = ""] = target.split("/")
          return doors[folder] !== undefined && !doors[folder].includes(file)
        })
        .map((target) => `${source.name} enters ${target}`),
    ),
  )
})

test("SV33 each dependency and module has its home", () => {
  none(
    sources.flatMap((source) =>
      source.imports
        .filter(({ from, typeOnly }) => !from.startsWith(".") && !typeOnly)
        .filter(({ from }) => !within(source.name, homes[packageOf(from)] ?? []))
        .map(({ from }) => `${source.name} imports ${from}`),
    ),
  )
})

test("SV33 clocks, timers, chance and the environment are used only in their homes", () => {
  none(
    sources.flatMap((source) => {
      const code = withoutComments(source.text)
      return Object.entries(globals)
        .filter(([name]) => code.includes(name) && !within(source.name, globals[name] ?? []))
        .map(([name]) => `${source.name} uses ${name}`)
    }),
  )
})

test("SV33 the client takes no value that reaches the schemas", () => {
  const byName = new Map(sources.map((source) => [source.name, source]))
  const reached = new Set<string>()
  const follow = (source: Source): void => {
    if (reached.has(source.name)) return
    reached.add(source.name)
    for (const { from, typeOnly } of source.imports) {
      if (typeOnly || !from.startsWith(".")) continue
      const next = byName.get(resolve(source, from))
      if (next !== undefined) follow(next)
    }
  }
  for (const source of sources) if (layerOf(source.name) === "client") follow(source)
  none([...reached].filter((name) => name === "wire/schema"))
})

test("SV33 a part's service waits for nothing", () => {
  none(
    sources
      .filter((source) => /^(documents|ot|relay|operators|pools)\//.test(source.name))
      .filter((source) => /\bawait\b|\basync\b/.test(withoutComments(source.text)))
      .map((source) => source.name),
  )
})

test("SV33 files stay short, are named by nouns and export by name", () => {
  none([
    ...sources
      .filter((source) => source.text.split("\n").length > 500)
      .map((source) => `${source.name} has more than 500 lines`),
    ...sources
      .filter((source) => /^export default\b|^export \*/m.test(source.text))
      .map((source) => `${source.name} has a default export or re-exports a whole file`),
    ...sources
      .filter((source) => source.name.split("/").length > (source.name.startsWith("web/") ? 3 : 2))
      .map((source) => `${source.name} lies too deep`),
    ...sources
      // The program says before it what runs it.
      .filter((source) => !/^(?:#!.*\n)?\/\*\*/.test(source.text))
      .map((source) => `${source.name} does not begin with a comment that says what it is`),
  ])
})

test("SV33 no name hides the noun that is missing", () => {
  none(
    sources.flatMap((source) => {
      const declared = withoutComments(source.text).matchAll(
        /\b(?:class|interface|type|function|const|let)\s+([A-Za-z_$][\w$]*)/g,
      )
      return [source.name, ...[...declared].map((match) => match[1] ?? "")]
        .filter((name) => bannedWords.test(name) && !foreignNames.includes(name))
        .map((name) => `${source.name}: ${name}`)
    }),
  )
})

function packageOf(from: string): string {
  const [scope = "", name] = from.split("/")
  if (scope === "@codemirror" || scope === "@lezer") return scope
  return scope.startsWith("@") ? `${scope}/${name}` : scope
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*$/gm, "")
}
