/**
 * A server's address as a program says it, and where its parts are below that. The path stays: a
 * server may lie below a folder of another's.
 */

/**
 * `url`, an `http(s)` or `ws(s)` address, as an `http(s)` one with a slash at its end and no query.
 * Throws TypeError for anything else.
 */
export function serverAddress(url: string): string {
  const address = URL.canParse(url) ? new URL(url).href.replace(/^ws/, "http") : ""
  if (!/^https?:/.test(address)) {
    throw new TypeError(`not a server's address: ${url}: one begins with http:// or https://`)
  }
  return address.replace(/\/*(?:[?#].*)?$/, "/")
}

/** Where the sockets of `part` are. Throws as `serverAddress` does; `url` may name the part already. */
export function socketAddress(url: string, part: "collab" | "operators" | "pools"): string {
  const address = serverAddress(url).replace(/^http/, "ws")
  return address.endsWith(`/${part}/`) ? address.slice(0, -1) : address + part
}
