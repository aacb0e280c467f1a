/**
 * The built web page in memory: which file a path names, and the headers it goes out with.
 *
 * What always holds: only files that were there at the start are served, by their exact names, so
 * no path can leave the directory; and each index.html has a nonce of its own. Others' words never
 * enter index.html on this side: its two placeholders take a nonce and names of our parts.
 */

/** How the page may be used; all of it comes from the configuration. */
export interface PageOptions {
  /** Paths, relative to the base path, that answer index.html: "" is the base path itself. */
  readonly panels: readonly string[]
  /** The parts that run, which index.html is told. */
  readonly parts: readonly string[]
  /** Value of the frame-ancestors directive. */
  readonly frameAncestors: string
}

/** A file as it goes out. */
export interface PageAnswer {
  readonly headers: Readonly<Record<string, string>>
  /** Undefined: the far end has it already. */
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
}

/** What the built index.html holds where each answer has something of its own. */
const noncePlaceholder = "__NONCE__"
const partsPlaceholder = "__PARTS__"

const types: ReadonlyMap<string, string> = new Map([
  ["html", "text/html; charset=utf-8"],
  ["js", "text/javascript; charset=utf-8"],
  ["css", "text/css; charset=utf-8"],
  ["json", "application/json"],
  ["webmanifest", "application/manifest+json"],
  ["svg", "image/svg+xml"],
  ["png", "image/png"],
  ["ico", "image/x-icon"],
  ["txt", "text/plain; charset=utf-8"],
])

/** Types that compress; below a kilobyte it is not worth the headers. */
const textual = /^text\/|^application\/|svg/
const worthBytes = 1024

interface PageFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly type: string
  readonly etag: string
  // Made when it is first asked for.
  compressed: Promise<Uint8Array<ArrayBuffer>> | undefined
}

export class Page {
  readonly #files = new Map<string, PageFile>()
  readonly #index: string | undefined
  readonly #options: PageOptions

  /** `files` by path below the page's directory, as in `assets/main-3f2a.js`; `etag` tells two builds apart. */
  constructor(
    files: ReadonlyMap<string, { bytes: Uint8Array<ArrayBuffer>; etag: string }>,
    options: PageOptions,
  ) {
    this.#options = options
    for (const [path, { bytes, etag }] of files) {
      const type = types.get(path.slice(path.lastIndexOf(".") + 1)) ?? "application/octet-stream"
      this.#files.set(path, { bytes, type, etag, compressed: undefined })
    }
    const index = this.#files.get("index.html")
    this.#index = index && Buffer.from(index.bytes).toString()
  }

  /** Whether `path`, relative to the base path, names something. */
  has(path: string): boolean {
    return this.#isIndex(path) || this.#files.has(path)
  }

  /** What goes out for `path`; undefined where there is nothing. `nonce` must be fresh. */
  async answer(
    path: string,
    request: { readonly nonce: string; readonly accepts: string; readonly has: string },
  ): Promise<PageAnswer | undefined> {
    const headers = { "content-security-policy": this.#policy(request.nonce) }
    if (this.#isIndex(path)) {
      const body = this.#index
        ?.replaceAll(noncePlaceholder, request.nonce)
        .replaceAll(partsPlaceholder, this.#options.parts.join(","))
      const type = types.get("html") ?? ""
      return { headers: { ...headers, "content-type": type, "cache-control": "no-cache" }, body }
    }
    const file = this.#files.get(path)
    if (file === undefined) return undefined
    const described = {
      ...headers,
      "content-type": file.type,
      etag: file.etag,
      vary: "Accept-Encoding",
      // The names of assets hold a hash of their content, so what such a name means never changes.
      "cache-control": path.startsWith("assets/")
        ? "public, max-age=31536000, immutable"
        : "no-cache",
    }
    if (request.has === file.etag) return { headers: described, body: undefined }
    if (!this.#compresses(file, request.accepts)) return { headers: described, body: file.bytes }
    file.compressed ??= compressed(file.bytes)
    const body = await file.compressed
    return { headers: { ...described, "content-encoding": "gzip" }, body }
  }

  /** Whether `path` would be the page, and it was not built. */
  isMissing(path: string): boolean {
    return this.#index === undefined && this.#options.panels.includes(path)
  }

  #isIndex(path: string): boolean {
    if (this.#index === undefined) return false
    return path === "index.html" || this.#options.panels.includes(path)
  }

  #compresses(file: PageFile, accepts: string): boolean {
    return /\bgzip\b/.test(accepts) && file.bytes.length >= worthBytes && textual.test(file.type)
  }

  /** What the page may do (DC140): everything from here, nothing from elsewhere. */
  #policy(nonce: string): string {
    return [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'self' 'nonce-${nonce}'`,
      "connect-src 'self'",
      "img-src 'self' data: blob:",
      "font-src 'self'",
      "worker-src 'self'",
      "manifest-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      `frame-ancestors ${this.#options.frameAncestors}`,
    ].join("; ")
  }
}

async function compressed(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
