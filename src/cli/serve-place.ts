/** Says of a place where the server could not listen which setting names it, and what to do. */
import type { Config } from "../config.ts"

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there: end that one, or set another",
  EADDRNOTAVAIL: "this machine has no such address: set one that it has",
  EACCES: "this user may not listen there: set a port from 1024 on, or grant the right",
  ENOTFOUND: "no such name is known: set an address of this machine",
}

/** The sentence for `thrown` if it says that something cannot listen, else undefined. */
export function placeRefused(thrown: unknown, config: Config): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined
  const reason = reasons[String(thrown.code)]
  if (reason === undefined) return undefined
  if ("address" in thrown) {
    // It has none where any would have done.
    const { address, code } = thrown
    const port = "port" in thrown ? thrown.port : undefined
    const at = port === undefined ? address : `${address}:${port}`
    const setting = code === "EADDRNOTAVAIL" ? "HOST" : settingOf(port, config)
    return `${setting}: cannot listen at ${at}: ${reason} (${code})`
  }
  if ("hostname" in thrown) return `HOST: cannot listen at ${thrown.hostname}: ${reason}`
  return undefined
}

function settingOf(port: unknown, { operatorsPort, poolsPort }: Config): string {
  if (port === operatorsPort) return "OPERATORS_PORT"
  return port === poolsPort ? "POOLS_PORT" : "PORT"
}
