/**
 * What is installed to compare with, and what this machine is. What always holds: what is missing is
 * told with how to get it, and is never a failure.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { cpus, loadavg, totalmem } from "node:os"
import { join } from "node:path"

const packages = join(import.meta.dirname, "peers/node_modules")

/** Whether the packages of bench/peers are installed; they come together. */
export const hasPeers = ["sharedb", "moleculer"].every((name) => existsSync(join(packages, name)))

/** Other programs, as their distributions call them. Mosquitto's lies where only root looks. */
const places = {
  "nats-server": ["nats-server", "/usr/sbin/nats-server"],
  mosquitto: ["mosquitto", "/usr/sbin/mosquitto"],
  "redis-server": ["redis-server"],
  python3: ["python3"],
} as const
export type Program = keyof typeof places

/** How to start a program; undefined where it is not installed. */
export function commandOf(program: Program): string | undefined {
  return places[program].find((place) => spawnSync(place, ["-h"]).error === undefined)
}

/** One sentence for all that is not there, with how to get it. */
export function missing(): readonly string[] {
  const absent = Object.keys(places).filter((name) => commandOf(name as Program) === undefined) // its own keys
  const those = absent.map((name) => `${name} is not installed: apt-get install ${name}`)
  if (hasPeers) return those
  return [
    "ShareDB, ot.js, @y/websocket-server, @hocuspocus/server, Moleculer and the clients of NATS and Redis are not installed: npm ci --prefix bench/peers",
    ...those,
  ]
}

/** What was compared with, in the versions that are installed. */
export function versions(): string {
  const programs = [
    versionOf("nats-server", ["--version"], /v(\d[\d.]*)/),
    versionOf("mosquitto", ["-h"], /version (\S+)/),
    versionOf("redis-server", ["--version"], /v=(\S+)/),
  ]
  return [...programs, ...packageVersions()].filter((version) => version !== "").join(", ")
}

/** The machine, its Node, and how busy it is: load averages of 1, 5 and 15 minutes. */
export function machine(): string {
  const cores = `${cpus().length} cores ${cpus()[0]?.model ?? ""}`
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return `${cores}, ${memory}, Linux ${kernel()}, Node ${process.version}`
}

/** Load averages of 1, 5 and 15 minutes. */
export function loadAverages(): string {
  return loadavg()
    .map((each) => each.toFixed(1))
    .join(", ")
}

/** How many files and sockets a process may have open here; Node takes all that it may. */
export function openFilesLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8")
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN)
}

function kernel(): string {
  return readFileSync("/proc/sys/kernel/osrelease", "utf8").trim()
}

function versionOf(program: Program, words: readonly string[], shape: RegExp): string {
  const command = commandOf(program)
  if (command === undefined) return ""
  // Mosquitto ends with an error when it has said what it is.
  const { stdout, stderr } = spawnSync(command, words, { encoding: "utf8" })
  return `${program} ${shape.exec(stdout + stderr)?.[1] ?? "?"}`
}

function packageVersions(): readonly string[] {
  if (!hasPeers) return []
  const named = [
    ...["sharedb", "ot", "@y/websocket-server", "@hocuspocus/server"],
    ...["@nats-io/transport-node", "moleculer", "redis"],
  ]
  return named.map((name) => {
    const { version } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"))
    return `${name} ${version}`
  })
}

/** The commit that is checked out; nothing where this is no repository. */
export function commit(): string {
  try {
    const git = (...words: readonly string[]) =>
      execFileSync("git", words, { cwd: import.meta.dirname, encoding: "utf8" }).trim()
    const changes =
      git("status", "--porcelain", "--untracked-files=no") === "" ? "" : " and changes"
    return `${git("log", "-1", "--format=%h")}${changes}`
  } catch {
    return ""
  }
}
