/**
 * A Tor network on loopback: three authorities, four relays, an onion service and a client, nine
 * processes in one directory. It takes about a minute until the service can be reached.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import type { TestContext } from "node:test"
import { eventually } from "./harness.ts"

export interface TorNetwork {
  /** 56 letters and digits, and `.onion`. */
  readonly address: string
  /** The client's SOCKS proxy, `host:port`. */
  readonly socks: string
}

interface Node {
  readonly name: string
  readonly directory: string
  readonly or: number
  readonly dir: number
  readonly kind: "authority" | "relay" | "service" | "client"
}

const quick = `
TestingTorNetwork 1
AssumeReachable 1
ExitRelay 0
PathsNeededToBuildCircuits 0.67
TestingDirAuthVoteExit *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingMinExitFlagThreshold 0
ServerDNSDetectHijacking 0
Log notice stdout
`

/** Starts it. `onion` is what torrc says of the service, below its HiddenServiceDir. */
export async function torNetwork(t: TestContext, root: string, onion: string): Promise<TorNetwork> {
  const ports = await freePorts(15)
  const names = ["a1", "a2", "a3", "r1", "r2", "r3", "r4", "service", "client"]
  const nodes = names.map((name, at): Node => {
    const kind = at < 3 ? "authority" : at < 7 ? "relay" : name === "client" ? "client" : "service"
    const directory = join(root, name)
    mkdirSync(directory, { mode: 0o700 })
    return { name, directory, kind, or: ports[at] ?? 0, dir: at < 3 ? (ports[9 + at] ?? 0) : 0 }
  })
  const authorities = nodes.filter(({ kind }) => kind === "authority").map(authorityLine)
  const socksPort = ports[12] ?? 0
  const processes = nodes.map((node) => {
    const file = join(node.directory, "torrc")
    writeFileSync(file, torrcOf(node, { authorities, socksPort, onion }))
    return start(t, file, join(node.directory, "log"))
  })
  const hostname = join(root, "service/onion/hostname")
  await eventually(() => {
    const dead = processes.findIndex(({ exitCode }) => exitCode !== null)
    if (dead >= 0)
      throw new Error(
        `${names[dead]} ended: ${readFileSync(join(root, names[dead] ?? "", "log"), "utf8")}`,
      )
    try {
      return readFileSync(hostname, "utf8").includes(".onion")
    } catch {
      return false // not there yet
    }
  })
  return { address: readFileSync(hostname, "utf8").trim(), socks: `127.0.0.1:${socksPort}` }
}

/** Makes an authority's keys, and gives the line by which all others know it. */
function authorityLine({ name, directory, or, dir }: Node): string {
  const keys = join(directory, "keys")
  mkdirSync(keys, { mode: 0o700 })
  const words = ["--create-identity-key", "-m", "12", "-a", `127.0.0.1:${dir}`]
  execFileSync("tor-gencert", [...words, "--passphrase-fd", "0"], {
    ...{ cwd: keys, input: "passphrase\n", stdio: ["pipe", "ignore", "ignore"] },
  })
  const certificate = readFileSync(join(keys, "authority_certificate"), "utf8")
  const v3 = /^fingerprint (\w+)/m.exec(certificate)?.[1] ?? ""
  const own = ["--DataDirectory", directory, "--Nickname", name, "--ORPort", `${or}`]
  const empty = join(directory, "empty")
  writeFileSync(empty, "")
  const listed = execFileSync(
    "tor",
    // None of the directory authorities that there are is asked for anything.
    [
      ...["--list-fingerprint", "-f", empty, "--hush"],
      ...own,
      "--DirAuthority",
      `x 127.0.0.1:1 ${"F".repeat(40)}`,
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  )
  const fingerprint = /^\S+ ([0-9A-F ]{40,50})$/m.exec(listed)?.[1]?.replaceAll(" ", "") ?? ""
  return `DirAuthority ${name} orport=${or} no-v2 v3ident=${v3} 127.0.0.1:${dir} ${fingerprint}`
}

function torrcOf(
  { name, directory, or, dir, kind }: Node,
  of: {
    readonly authorities: readonly string[]
    readonly socksPort: number
    readonly onion: string
  },
): string {
  const own = [quick, ...of.authorities, `DataDirectory ${directory}`, `Nickname ${name}`]
  const relay = [`ORPort 127.0.0.1:${or}`, "Address 127.0.0.1", "SocksPort 0", "ContactInfo none"]
  switch (kind) {
    case "authority": {
      const roles = ["AuthoritativeDirectory 1", "V3AuthoritativeDirectory 1"]
      return [...own, ...relay, ...roles, `DirPort 127.0.0.1:${dir}`].join("\n")
    }
    case "relay":
      return [...own, ...relay].join("\n")
    case "service":
      return [...own, "SocksPort 0", `HiddenServiceDir ${directory}/onion`, of.onion].join("\n")
    case "client":
      return [...own, `SocksPort 127.0.0.1:${of.socksPort}`].join("\n")
  }
}

function start(t: TestContext, torrc: string, log: string): ChildProcess {
  const words = ["-f", torrc, "--__OwningControllerProcess", `${process.pid}`]
  const child = spawn("tor", words, { stdio: ["ignore", openSync(log, "a"), "inherit"] })
  t.after(() => child.kill("SIGKILL"))
  return child
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === "object" ? (address?.port ?? 0) : 0
  })
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}
