/**
 * What all benches need of the processes they start: a core of their own, the probe, a free port,
 * and what they have used.
 */
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { availableParallelism } from "node:os"
import { join } from "node:path"

const serverCore = "0"
const loadCore = "1"
const mayPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0
/** A step of the times in /proc, as Linux has it on every machine that Node runs on. */
const tickMs = 10

/** Puts this process on the core of the load. Returns whether cores can be chosen here. */
export function pinLoad(): boolean {
  if (mayPin) spawnSync("taskset", ["-a", "-c", "-p", loadCore, String(process.pid)])
  return mayPin
}

/** Puts a command on the core of the servers, where cores can be chosen. */
export function onServerCore(command: readonly string[]): readonly [string, ...string[]] {
  const pinned = mayPin ? ["taskset", "-c", serverCore] : []
  const [program = "", ...words] = [...pinned, ...command]
  return [program, ...words]
}

/** Node with the probe in it, and a CPU profile written into `profile` when it ends, if that is told. */
export function probed(profile?: string): readonly string[] {
  const flags = ["--expose-gc", "--import", join(import.meta.dirname, "probe.ts")]
  const profiling = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]
  return [process.execPath, ...flags, ...profiling]
}

/** User and system time of a process, all its threads, in ms, in steps of 10. */
export function cpuMsOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** A port that was free a moment ago, for programs that take no port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const port = portOf(server)
  server.close()
  await once(server, "close")
  return port
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("never: it listens on TCP")
  return address.port
}
