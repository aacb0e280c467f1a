/**
 * The six builds into dist/page/: the page (`vite build`), client.js, the SDK as one module
 * (`vite build --mode client`), codemirror.js, its binding (`vite build --mode codemirror`),
 * client-yjs.js, Yjs documents on a relay (`vite build --mode yjs`), client-pools.js, pools
 * (`vite build --mode pools`), and client-keys.js, the keys of encrypted ones (`vite build --mode
 * keys`). The first empties the directory, so the others come after it.
 * collab.js (`vite build --mode collab`) and client-tcp.js (`vite build --mode tcp`) are for other
 * people's Node programs, which take no TypeScript from a package.
 *
 * All addresses come out relative, so the result works below any path. The service worker keeps
 * its name, `worker.js`: a browser asks under that name whether there is a newer one.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { defineConfig, type Plugin, type Rolldown, type UserConfig } from "vite"

const root = import.meta.dirname
const outDir = join(root, "dist/page")

/** What every engine of the last two and a half years can run. `light-dark()` needs no translation there. */
const target = ["chrome123", "edge123", "firefox120", "safari17.5"]

/** A part of the page that brings more than so many bytes with it is kept once it was used. */
const limitKeptUnasked = 40_000

/**
 * Tells the service worker what it keeps from the start: all that the page begins with, and each
 * part of ours that is loaded on use and is small. Grammars and the like it keeps as they are used.
 */
const worker: Plugin = {
  name: "quartet-worker",
  apply: "build",
  generateBundle: {
    order: "post",
    handler(_options, bundle) {
      const chunk = bundle["worker.js"]
      if (chunk?.type !== "chunk") return this.error("the service worker was not built")
      const files = keptFiles(bundle)
      const index = bundle["index.html"]
      const contents = [...files, index?.type === "asset" ? index.source : ""].join("\n")
      const build = createHash("sha256").update(contents).digest("hex").slice(0, 12)
      chunk.code = chunk.code
        .replaceAll("__BUILD__", JSON.stringify(build))
        .replaceAll("__FILES__", JSON.stringify(files))
    },
  },
}

function keptFiles(bundle: Rolldown.OutputBundle): readonly string[] {
  const isOurs = (module: string): boolean => module.startsWith(join(root, "web"))
  const outputs = Object.values(bundle)
  const chunks = outputs.filter((output) => output.type === "chunk")
  const first = chunks.find(({ isEntry, name }) => isEntry && name === "index")
  const kept = new Set(first === undefined ? [] : comesWith(first, bundle))
  for (const chunk of chunks) {
    if (chunk.isEntry || !chunk.moduleIds.some(isOurs)) continue
    const more = comesWith(chunk, bundle).filter((name) => !kept.has(name))
    const bytes = more.reduce((sum, name) => sum + sizeOf(bundle[name]), 0)
    if (bytes <= limitKeptUnasked) for (const name of more) kept.add(name)
  }
  const looks = outputs.filter(({ fileName }) => /\.(?:css|svg)$/.test(fileName))
  return [...kept, ...looks.map(({ fileName }) => fileName)].sort()
}

/** The chunk and all that its own imports name. */
function comesWith(chunk: Rolldown.OutputChunk, bundle: Rolldown.OutputBundle): string[] {
  const found = new Set<string>()
  const follow = (name: string): void => {
    const next = bundle[name]
    if (next?.type !== "chunk" || found.has(name)) return
    found.add(name)
    next.imports.forEach(follow)
  }
  follow(chunk.fileName)
  return [...found]
}

function sizeOf(output: Rolldown.OutputBundle[string] | undefined): number {
  return output?.type === "chunk" ? output.code.length : 0
}

const page: UserConfig = {
  root: join(root, "web"),
  base: "./",
  plugins: [worker],
  // The policy admits no inline script and no `data:` font: nothing is put into the page itself.
  build: {
    outDir,
    emptyOutDir: true,
    target,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: join(root, "web/index.html"), worker: join(root, "web/worker.ts") },
      output: {
        entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : "assets/[name]-[hash].js"),
        codeSplitting: {
          // What nearly every grammar runs on comes once, with the list of them.
          groups: [
            // What every part of the page uses, and comes first with the page.
            {
              name: "first",
              test: /node_modules\/(?:preact|@codemirror\/(?:state|view)|style-mod|w3c-keyname|crelt|@marijn)\/|web\/(?:cell|icons|panels|desk|served)\./,
            },
            // What several parts that are loaded on use have in common.
            {
              name: "parts",
              test: /web\/(?:segments|copy-button|more-icons|documents\/share-times)\./,
            },
            { name: "code", test: /node_modules\/@(?:lezer\/lr|codemirror\/autocomplete)\// },
          ],
          includeDependenciesRecursively: false,
        },
      },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
}

/** One module that a program loads by its name, as small as what the page loads. */
function library(entry: string, fileName: string): UserConfig {
  return {
    root,
    publicDir: false,
    build: {
      outDir,
      emptyOutDir: false,
      target,
      reportCompressedSize: false,
      lib: { entry: join(root, entry), formats: ["es"], fileName: () => fileName },
      // A library keeps its white space unless it is told otherwise; this one goes to browsers as it is.
      rolldownOptions: { output: { minify: true } },
    },
  }
}

/**
 * Has the binding take operations from the SDK beside it. They are told apart by their class: one
 * of a second copy would be none.
 */
const operationsOfClient: Plugin = {
  name: "quartet-operations",
  enforce: "pre",
  resolveId: (source) =>
    source.endsWith("/ot/operation.ts") || source === "./operation.ts"
      ? { id: "./client.js", external: "relative" }
      : undefined,
}

/** A document is one of the app's own Yjs: a second copy would not know it. All else comes along. */
const yjs = withPeers(library("src/client/yjs.ts", "client-yjs.js"), /^yjs$/)

/** The page that uses it brings these itself: there must be one only. */
function withPeers(built: UserConfig, external: RegExp): UserConfig {
  const { build } = built
  const rolldownOptions = { ...build?.rolldownOptions, external }
  return { ...built, build: { ...build, rolldownOptions } }
}

/** One module for somebody else's Node program: what it is built on comes with the package. */
function program(entry: string, fileName: string): UserConfig {
  return {
    root,
    publicDir: false,
    build: {
      outDir: join(root, "dist/node"),
      emptyOutDir: false,
      target: "node24",
      ssr: join(root, entry),
      reportCompressedSize: false,
      rolldownOptions: { output: { entryFileNames: fileName } },
    },
  }
}

function configOf(mode: string): UserConfig {
  if (mode === "collab") return program("src/collab.ts", "collab.js")
  if (mode === "tcp") return program("src/client/tcp.ts", "client-tcp.js")
  if (mode === "client") return library("src/client/client.ts", "client.js")
  if (mode === "yjs") return yjs
  if (mode === "pools") return library("src/client/pools.ts", "client-pools.js")
  if (mode === "keys") return library("src/client/keys.ts", "client-keys.js")
  if (mode !== "codemirror") return page
  const binding = library("src/client/codemirror.ts", "codemirror.js")
  return { ...withPeers(binding, /^@codemirror\//), plugins: [operationsOfClient] }
}

export default defineConfig(({ mode }) => configOf(mode))
