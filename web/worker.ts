/**
 * The service worker: it keeps the page itself, so that a known document opens without network
 * (DC126). Built as /worker.js, beside the page and below the same path.
 *
 * What always holds: an index.html is kept only together with every file it begins with, in a
 * cache named by their build; where the server answers, its answer is what is shown, so no page
 * stays behind a newer server; nothing below /api is touched. The kept index.html has the headers
 * it came with: the nonce in it and the one in its policy are of the same answer.
 */

/** The part of a service worker's own scope that is used here: the types of a page know none. */
interface WorkerScope {
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(type: "install" | "activate", listener: (event: Lasting) => void): void
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void
  addEventListener(type: "message", listener: (event: Told) => void): void
}

interface Lasting {
  waitUntil(work: Promise<unknown>): void
}

interface Fetching extends Lasting {
  readonly request: Request
  respondWith(answer: Promise<Response>): void
}

interface Told extends Lasting {
  readonly data: unknown
}

declare const self: WorkerScope
/** What the build writes here: its name, and its files, relative to the page's path. */
declare const __BUILD__: string
declare const __FILES__: readonly string[]

const files: ReadonlySet<string> = new Set(__FILES__)
const { scope } = self.registration
// Another Quartet of the same origin has another path, and caches of its own.
const cachesOfScope = `quartet ${new URL(scope).pathname} `
const cacheName = cachesOfScope + __BUILD__

/** The paths that answer index.html. */
const panels: ReadonlySet<string> = new Set(["", "index.html", "relay", "operators", "pools"])
/** A line that says nothing for so long is taken for none: slower than any detour through Tor. */
const patienceMs = 6_000
/** A page loads fewer files than that; who tells of more is not believed. */
const limitTold = 500

self.addEventListener("install", (event) => {
  // Open pages go on with what they have: at once is as good as later, and never stuck.
  event.waitUntil(keepBuild().then(() => self.skipWaiting()))
})

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOldBuilds().then(() => self.clients.claim()))
})

self.addEventListener("fetch", (event) => {
  const { request } = event
  const path = pathOf(request.url)
  if (request.method !== "GET" || path === undefined) return
  if (request.mode === "navigate") {
    if (panels.has(path)) event.respondWith(page(event))
  } else if (path.startsWith("assets/")) {
    event.respondWith(asset(event))
  }
})

// What a page loaded before there was a worker passed by here: it tells, and that is kept too.
self.addEventListener("message", (event) => {
  const { data } = event
  if (!Array.isArray(data)) return
  const told = data.slice(0, limitTold).filter((url) => typeof url === "string")
  event.waitUntil(keepAssets(told.filter((url) => pathOf(url)?.startsWith("assets/"))))
})

/** Rejects when not all of it could be had, and then this worker is not installed. */
async function keepBuild(): Promise<void> {
  const cache = await caches.open(cacheName)
  await cache.addAll([...files])
  const index = await fetch(scope, { cache: "no-cache" })
  if (!(await keepIndex(index))) throw new Error("another build is served by now")
}

/** Keeps an index.html that names files of this build only; false for any other. */
async function keepIndex(index: Response): Promise<boolean> {
  if (!index.ok || index.redirected) return false
  const kept = index.clone()
  const named = (await index.text()).matchAll(/"\.\/(assets\/[^"]+)"/g)
  if (![...named].every(([, file = ""]) => files.has(file))) return false
  const cache = await caches.open(cacheName)
  await cache.put(scope, kept)
  return true
}

/** The newest build but this one stays: tabs that were opened with it still load parts of it. */
async function forgetOldBuilds(): Promise<void> {
  const names = await caches.keys()
  const others = names.filter((name) => name.startsWith(cachesOfScope) && name !== cacheName)
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)))
}

/** The page from the server; the kept one where no server answers. */
async function page(event: Fetching): Promise<Response> {
  const kept = await find(scope, { cacheName })
  if (kept === undefined) return fetch(event.request)
  const answer = await inTime(fetch(event.request))
  // 502 to 504 say that what stands before the server does not reach it.
  if (answer === undefined || (answer.status >= 502 && answer.status <= 504)) return kept
  event.waitUntil(keepIndex(answer.clone()))
  return answer
}

/** The answer; undefined where there is none, or none in time. */
function inTime(answer: Promise<Response>): Promise<Response | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, patienceMs))
  return Promise.race([answer.catch(() => undefined), late])
}

/** A file whose name holds a hash of its content, so that any kept one is the right one. */
async function asset({ request }: Fetching): Promise<Response> {
  const kept = await find(request)
  if (kept !== undefined) return kept
  const answer = await fetch(request)
  if (answer.ok) await keep(request, answer.clone())
  return answer
}

async function keepAssets(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    if ((await find(url)) !== undefined) continue
    const answer = await fetch(url)
    if (answer.ok) await keep(url, answer)
  }
}

/** What is kept for `request`. A browser whose storage fails keeps nothing: the server alone counts. */
async function find(request: RequestInfo, within = {}): Promise<Response | undefined> {
  try {
    return await caches.match(request, { ...within, ignoreVary: true })
  } catch {
    return undefined
  }
}

async function keep(request: RequestInfo, answer: Response): Promise<void> {
  try {
    const cache = await caches.open(cacheName)
    await cache.put(request, answer)
  } catch {
    // The browser has no room for it: it is asked for again next time.
  }
}

/** What `url` names below the page's path, without its query; undefined for what lies elsewhere. */
function pathOf(url: string): string | undefined {
  const { origin, pathname } = new URL(url)
  const below = new URL(scope)
  if (origin !== below.origin || !pathname.startsWith(below.pathname)) return undefined
  return pathname.slice(below.pathname.length)
}

// Without this its names would be those of every file. Nothing of it is left in what is built.
export {}
