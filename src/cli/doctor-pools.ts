/**
 * How pools are served: their settings, the memory of blocks, and what they need of this machine.
 *
 * What always holds: nothing is changed; each check is one line, and one that is not well says what
 * to do. What cannot be seen is said, never "ok".
 */
import { execFileSync } from "node:child_process"
import { createPrivateKey, X509Certificate } from "node:crypto"
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs"
import { dirname, join } from "node:path"
import type { Config } from "../config.ts"
import { groupIdOf, isDead } from "../memory-files.ts"
import type { Finding } from "./doctor.ts"
import { bad, good, warn } from "./doctor-tor.ts"

const dayMs = 86_400_000
/** Of a certificate; most are renewed a month before their end. */
const soonDays = 14
const mib = 1024 * 1024
/** The type of a file system in memory, see statfs(2). */
const tmpfs = 0x01021994
/** What Docker gives to a container that asks for nothing. */
const dockersMemory = 64 * mib
/** Files that a server has open besides its connections. */
const otherFiles = 128

/** All checks that need no server. `now` is ms since 1970. */
export function lookAtPools(config: Config, now: number): readonly Finding[] {
  if (!config.parts.includes("pools")) return [warn("pools do not run: PARTS leaves them out")]
  return [
    proofs(config),
    ...socket(config.poolsSocket),
    ...certificates(config, now),
    ...memory(config, now),
    koffi(),
    openFiles(config),
  ]
}

/** Who may claim the id of an app. */
function proofs({ host, poolsAuth, trustProxy }: Config): Finding {
  const isHere = host === "localhost" || host === "::1" || host.startsWith("127.")
  if (poolsAuth === "required") return good("apps prove their ids (POOLS_AUTH)")
  if (poolsAuth === "open" && !isHere) {
    return bad(`whoever reaches ${host} may be any app: remove POOLS_AUTH=open, or HOST=127.0.0.1`)
  }
  if (poolsAuth === "open" && trustProxy > 0) {
    return bad("whoever comes through the proxy may be any app: remove POOLS_AUTH=open")
  }
  if (!isHere) return good(`apps on ${host} prove their ids`)
  return trustProxy > 0
    ? good("apps of this machine need no proof, those behind the proxy do")
    : good(`listeners are on ${host} only, where apps need no proof`)
}

function socket(path: string | undefined): readonly Finding[] {
  if (path === undefined || !existsSync(path)) return [] // whether it answers is asked elsewhere
  const isOpen = (statSync(path).mode & 0o007) !== 0
  const isHidden = (statSync(dirname(path)).mode & 0o001) === 0
  return isOpen && !isHidden
    ? [bad(`anybody on this machine governs the server by ${path}: chmod 0660, or its folder 0750`)]
    : [good(`${path} is for its owner and group`)]
}

function certificates({ tls, poolsTlsCa }: Config, now: number): readonly Finding[] {
  if (tls === undefined) return []
  const findings = [certificate("TLS_CERT", tls.cert, now)]
  if (poolsTlsCa !== undefined) findings.push(certificate("POOLS_TLS_CA", poolsTlsCa, now))
  const mode = modeOf(tls.key)
  if (mode === undefined) return [...findings, bad(`TLS_KEY: ${tls.key} cannot be read`)]
  findings.push(
    (mode & 0o007) === 0
      ? good(`${tls.key} is for its owner and group`)
      : bad(`anybody on this machine may read the key: chmod 0600 ${tls.key}`),
  )
  try {
    const pair = new X509Certificate(readFileSync(tls.cert))
    const isPair = pair.checkPrivateKey(createPrivateKey(readFileSync(tls.key)))
    if (!isPair) findings.push(bad(`${tls.key} is not the key of ${tls.cert}`))
  } catch {
    findings.push(bad(`TLS_KEY: ${tls.key} is no key in PEM that can be read here`))
  }
  return findings
}

function certificate(name: string, path: string, now: number): Finding {
  let until: number
  try {
    until = Date.parse(new X509Certificate(readFileSync(path)).validTo)
  } catch {
    return bad(`${name}: ${path} is no certificate in PEM that can be read here`)
  }
  const days = Math.floor((until - now) / dayMs)
  if (days < 0) return bad(`${name}: ${path} has expired: renew it, then restart the server`)
  const sentence = `${name}: ${path} is good for ${days} days`
  return days < soonDays ? warn(`${sentence}: renew it, then restart the server`) : good(sentence)
}

/** Where blocks lie, how much there is, and who was there before. */
function memory(config: Config, now: number): readonly Finding[] {
  const { blocksDir: setting, blocksGroup: group } = config
  const uid = process.getuid?.()
  const isThere = setting !== "auto" || existsSync("/dev/shm")
  if (setting === undefined || uid === undefined || !isThere) {
    return [good("blocks are buffers of the server: apps reach them by their connections only")]
  }
  const dir = setting === "auto" ? `/dev/shm/quartet-${uid}` : setting
  return [...room(dir), ...folder(dir, { uid, group, now })]
}

function room(dir: string): readonly Finding[] {
  const place = [dir, dirname(dir)].find((each) => existsSync(each))
  if (place === undefined)
    return [bad(`there is no ${dirname(dir)}: mkdir it, or another BLOCKS_DIR`)]
  const { bsize, blocks, bavail, type } = statfsSync(place)
  if (process.platform === "linux" && type !== tmpfs) {
    return [warn(`${place} is no memory but a disk: BLOCKS_DIR belongs below /dev/shm`)]
  }
  const [size, free] = [blocks * bsize, bavail * bsize]
  const sentence = `shared memory at ${place}: ${inMiB(free)} of ${inMiB(size)} MiB are free`
  if (size <= dockersMemory) {
    return [warn(`${sentence}; a container gets 64 unless it asks: docker run --shm-size=1g`)]
  }
  return [free < size / 10 ? warn(`${sentence}: remove blocks, or make it larger`) : good(sentence)]
}

function folder(
  dir: string,
  { uid, group, now }: { uid: number; group: string | undefined; now: number },
): readonly Finding[] {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined) return [good(`${dir} is not there yet: the server makes it`)]
  if (!found.isDirectory()) return [bad(`${dir} is no folder: remove it, and restart the server`)]
  if (found.uid !== uid) {
    const sentence = `${dir} is another user's, so the server uses another folder`
    return [bad(`${sentence}: run this as the server's user, or remove it and restart`)]
  }
  const findings = [group === undefined ? forUs(dir, found) : forGroup(dir, found, group)]
  const servers = readdirSync(dir).filter((each) => /^(\.new-)?[\da-f-]{36}$/.test(each))
  const dead = servers.filter((each) => isDead(join(dir, each), now))
  const live = servers.length - dead.length
  if (dead.length > 0) {
    const many =
      dead.length === 1 ? "a server that died is" : `${dead.length} servers that died are`
    findings.push(warn(`memory of ${many} left in ${dir}: the next start removes it`))
  }
  findings.push(good(`${live} ${live === 1 ? "server lives" : "servers live"} in ${dir}`))
  return findings
}

function forUs(dir: string, found: Stats): Finding {
  const mode = found.mode & 0o777
  return (mode & 0o077) === 0
    ? good(`${dir} is ours, with mode ${inOctal(mode)}`)
    : bad(`${dir} has mode ${inOctal(mode)}: chmod 0700 ${dir}`)
}

/** As BLOCKS_GROUP wants it: the group may look into it, nobody else may. */
function forGroup(dir: string, found: Stats, group: string): Finding {
  const mode = found.mode & 0o777
  try {
    if (found.gid !== groupIdOf(group)) {
      return bad(`${dir} is not of the group ${group} (BLOCKS_GROUP): restart the server`)
    }
  } catch (thrown) {
    return bad(`${thrown instanceof Error ? thrown.message : thrown}: make it, or name another`)
  }
  return mode === 0o750
    ? good(`${dir} is ours and for the group ${group}, with mode 0750`)
    : bad(`${dir} has mode ${inOctal(mode)}: chmod 0750 ${dir}`)
}

/** In a process of its own: a library that does not fit ends the process that loads it. */
function koffi(): Finding {
  if (process.platform !== "linux") return good("blocks are not mapped on this system")
  try {
    execFileSync(process.execPath, ["--import", "koffi", "--eval", "0"], {
      cwd: import.meta.dirname,
      stdio: "ignore",
    })
    return good("koffi loads: programs in JavaScript can map blocks")
  } catch {
    return warn("koffi does not load, so blocks go over connections: npm install koffi")
  }
}

function openFiles({ maxConnections }: Config): Finding {
  const limits = existsSync("/proc/self/limits") ? readFileSync("/proc/self/limits", "utf8") : ""
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  if (soft === undefined) return warn("the limit of open files cannot be seen here: ulimit -n")
  const wanted = maxConnections + otherFiles
  return Number(soft) >= wanted
    ? good(`${soft} files may be open`)
    : warn(
        `${soft} files may be open, MAX_CONNECTIONS needs ${wanted}: ulimit -n, or LimitNOFILE in the server's unit`,
      )
}

function modeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mode
}

function inMiB(bytes: number): number {
  return Math.floor(bytes / mib)
}

function inOctal(mode: number): string {
  return mode.toString(8).padStart(4, "0")
}
