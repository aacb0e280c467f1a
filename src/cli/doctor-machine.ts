/**
 * Where the operators' files and sockets lie, and how their process runs: Linux only, by /proc.
 *
 * What always holds: files are read and nothing is changed; what cannot be seen is said.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { Config } from "../config.ts"
import { locate } from "../store-file.ts"
import type { Finding } from "./doctor.ts"
import { bad, good, warn } from "./doctor-tor.ts"

/** All checks of this machine. */
export function lookAtMachine(config: Config): readonly Finding[] {
  const path = config.operatorsSocket
  const inodes = path === undefined ? tcpListeners(config.operatorsPort) : unixListeners(path)
  const holders = inodes.flatMap((inode) => holdersOf(inode))
  return [
    outside(config),
    ...(path === undefined ? [] : socket(resolve(path))),
    ...(path === undefined ? [] : apparmor(resolve(path))),
    ...files(config),
    ...(inodes.length > 0 && holders.length === 0
      ? [warn("who listens cannot be seen: run this as root, or as the server's user")]
      : []),
    ...(inodes.length === 0
      ? [warn("the server does not run, so its process is not looked at")]
      : []),
    ...[...new Set(holders)].flatMap(running),
    swap(),
  ]
}

function outside({ host, port, operatorsPort }: Config): Finding {
  const isInside = host === "localhost" || host === "::1" || host.startsWith("127.")
  const isQuiet = port === undefined && operatorsPort === undefined
  if (isQuiet) return good("nothing listens on a network address")
  return isInside
    ? good(`listeners are on ${host} only`)
    : bad(`HOST is ${host}: leave it at 127.0.0.1`)
}

function socket(path: string): readonly Finding[] {
  const hidden = /^\/(?:tmp|home|root)\//.test(path)
    ? [bad(`${path}: tor does not see /tmp and /home; use /run/quartet/operators.sock`)]
    : []
  if (!existsSync(path)) return [...hidden, warn(`${path} is not there: the server does not run`)]
  const isOpen = (of: string) => (statSync(of).mode & 0o007) !== 0
  return [
    ...hidden,
    isOpen(path)
      ? bad(`anybody on this machine may use ${path}: chmod 0660`)
      : good(`${path} is for its owner and group`),
    isOpen(dirname(path))
      ? warn(`anybody may enter ${dirname(path)}: chmod 0750`)
      : good(`${dirname(path)} is for its owner and group`),
  ]
}

function apparmor(path: string): readonly Finding[] {
  if (!existsSync("/etc/apparmor.d/system_tor")) return []
  const local = "/etc/apparmor.d/local/system_tor"
  const line = `${dirname(path)}/** rw,`
  try {
    const text = readFileSync(local, "utf8")
    if (text.includes(`${dirname(path)}/`)) return [good("AppArmor lets tor use the socket")]
  } catch {
    // Not there: the line is missing as well.
  }
  return [warn(`AppArmor may keep tor from the socket: put "${line}" into ${local}`)]
}

function files(config: Config): readonly Finding[] {
  const path = locate(config.sqliteUri)
  if (path === undefined) return [good("the table is in memory only")]
  if (!existsSync(path)) return [warn(`${path} is not there yet`)]
  const of = (place: string, mode: number): Finding => {
    const have = statSync(place).mode & 0o777
    const text = have.toString(8).padStart(4, "0")
    return (have & ~mode) === 0
      ? good(`${place} has mode ${text}`)
      : bad(`${place} has mode ${text}: chmod ${mode.toString(8).padStart(4, "0")}`)
  }
  return [of(dirname(resolve(path)), 0o700), of(path, 0o600)]
}

/** How the process that listens runs. */
function running(pid: number): readonly Finding[] {
  const words = (read(`/proc/${pid}/cmdline`) ?? "").split("\0")
  const environment = (read(`/proc/${pid}/environ`) ?? "").split("\0")
  if (!words.includes("serve")) {
    return [bad(`another program listens in the server's place: process ${pid}, ${words[0] ?? ""}`)]
  }
  const options = environment.filter((each) => each.startsWith("NODE_OPTIONS="))
  const isInspected = [...words, ...options].some((each) => /--inspect|--debug/.test(each))
  const core = /^Max core file size\s+(\S+)/m.exec(read(`/proc/${pid}/limits`) ?? "")?.[1]
  return [
    isInspected
      ? bad("the server runs with a debugger, which reads all memory: remove --inspect")
      : good("no debugger"),
    core === "0"
      ? good("a crash leaves no core file")
      : warn(`a crash may write memory to the disk (core ${core ?? "unknown"}): LimitCORE=0`),
  ]
}

function swap(): Finding {
  const rows = (read("/proc/swaps") ?? "").trim().split("\n").slice(1)
  return rows.length === 0
    ? good("no swap")
    : warn("memory may be written to swap: MemorySwapMax=0 for the server's unit, or swapoff")
}

/** Inodes of the sockets that listen on a port. */
function tcpListeners(port: number | undefined): readonly string[] {
  if (port === undefined) return []
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => (read(file) ?? "").split("\n"))
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local = "", , state]) => local.endsWith(end) && state === "0A")
    .flatMap((fields) => fields[9] ?? [])
}

function unixListeners(path: string): readonly string[] {
  const rows = (read("/proc/net/unix") ?? "").split("\n").map((row) => row.trim().split(/\s+/))
  // Flags 00010000: it listens.
  return rows
    .filter((fields) => fields[7] === path && fields[3] === "00010000")
    .flatMap((fields) => fields[6] ?? [])
}

function holdersOf(inode: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const folder = `/proc/${pid}/fd`
        return readdirSync(folder).some(
          (fd) => readlinkSync(`${folder}/${fd}`) === `socket:[${inode}]`,
        )
      } catch {
        return false // gone meanwhile, or not ours to see
      }
    })
    .map(Number)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined // not Linux, gone meanwhile, or not ours to read
  }
}
