/**
 * What torrc says of the operators' onion service, held against the server's settings.
 *
 * What always holds: files are read and nothing is changed; what cannot be read is a warning that
 * says so, never "ok".
 */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { OpenLine } from "../client/operators-shapes.ts"
import { openerFor } from "../client/tcp.ts"
import type { Config } from "../config.ts"
import { parseHeard } from "../wire/operators-heard.ts"
import type { Finding } from "./doctor.ts"

/** It repairs an impersonation at the rendezvous point. */
const floor = [0, 4, 9, 11] as const
/** What tor has when torrc says nothing. */
const usualLongLived = "21,22,706,1863,5050,5190,5222,5223,6523,6667,6697,8300"
const dialMs = 150_000

/** A torrc: options by their name in lower case, and those of each onion service by themselves. */
export interface Torrc {
  readonly options: ReadonlyMap<string, string>
  readonly services: readonly Service[]
}

interface Service {
  readonly directory: string
  readonly ports: readonly string[]
  readonly options: ReadonlyMap<string, string>
}

/** Reads a torrc: comments and broken lines are taken away, names are compared without case. */
export function parseTorrc(text: string): Torrc {
  const options = new Map<string, string>()
  const services: { directory: string; ports: string[]; options: Map<string, string> }[] = []
  for (const line of text.replace(/\\\r?\n/g, " ").split(/\r?\n/)) {
    const [, name = "", value = ""] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line.replace(/#.*/, "")) ?? []
    const key = name.toLowerCase()
    const service = services.at(-1)
    if (key === "") continue
    if (key === "hiddenservicedir") {
      services.push({ directory: value, ports: [], options: new Map() })
    } else if (key === "hiddenserviceport") service?.ports.push(value)
    else if (key.startsWith("hiddenservice") && service !== undefined) {
      service.options.set(key, value)
    } else options.set(key, value)
  }
  return { options, services }
}

/** All checks of tor itself. */
export function lookAtTor(config: Config, path: string): readonly Finding[] {
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch {
    return [version(), bad(`${path} cannot be read: say where it is with --torrc`)]
  }
  const torrc = parseTorrc(text)
  const included = torrc.options.has("%include")
    ? [warn(`${path} includes other files, which are not looked at`)]
    : []
  const ours = torrc.services.find(({ ports }) => ports.some((port) => leadsTo(port, config)))
  const whole = [version(), ...included, ...wholeTor(torrc)]
  if (ours === undefined) {
    const where = config.operatorsSocket ?? `127.0.0.1:${config.operatorsPort ?? 9_696}`
    const to = where.startsWith("/") ? `unix:${where}` : where
    return [
      ...whole,
      bad(`no HiddenServicePort leads to the operators: HiddenServicePort 9696 ${to}`),
    ]
  }
  return [
    ...whole,
    good(`${ours.directory} leads to the operators`),
    circuits(ours, config),
    ...defences(ours),
    longLived(ours, torrc),
    clients(ours, config),
  ]
}

/** Connects as an operator would, and waits for `$ hello`. */
export function dialOperators(address: string, socks: string | undefined): Promise<Finding> {
  const open: OpenLine = openerFor(address, socks === undefined ? {} : { socks })
  return new Promise((resolve) => {
    const end = (finding: Finding) => {
      clearTimeout(timer)
      line.close()
      resolve(finding)
    }
    let last = "nothing was heard"
    const timer = setTimeout(() => end(bad(`${address} does not answer: ${last}`)), dialMs)
    const line = open({
      opened: () => void line.send("$ quartet"),
      heard: (text) => {
        if (parseHeard(text).kind === "hello") end(good(`${address} greets`))
      },
      lost: ({ sentence, comesBack }) => {
        last = sentence
        if (!comesBack) end(bad(`${address}: ${sentence}`))
      },
    })
  })
}

function version(): Finding {
  let text: string
  try {
    text = execFileSync("tor", ["--version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
  } catch {
    return warn("tor is not found on the PATH, so its version is not known")
  }
  const numbers = /(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? []
  const [have, want] = [numbers.join("."), floor.join(".")]
  const at = floor.findIndex((number, index) => numbers[index] !== number)
  const isOld = at >= 0 && (numbers[at] ?? 0) < (floor[at] ?? 0)
  return isOld ? bad(`tor is ${have}: bring it to ${want} or later`) : good(`tor is ${have}`)
}

function wholeTor({ options }: Torrc): readonly Finding[] {
  const isSingle = [...options].some(
    ([name, value]) =>
      /^hiddenservice(?:singlehopmode|nonanonymousmode)$/.test(name) && value === "1",
  )
  return [
    isSingle
      ? bad("single-hop mode shows where the server is: remove HiddenServiceSingleHopMode")
      : good("single-hop mode is off"),
    options.get("safelogging") === "0"
      ? bad("tor logs addresses: remove SafeLogging 0")
      : good("tor's log holds no address"),
  ]
}

function circuits({ options, ports }: Service, config: Config): Finding {
  const isExported = options.get("hiddenserviceexportcircuitid")?.toLowerCase() === "haproxy"
  const isSocket = ports.some((port) => leadsToSocket(port, config))
  const isExpected = config.operatorsCircuits === "on" && isSocket
  if (isExported === isExpected) {
    return isExported
      ? good("circuit ids are exported, and expected")
      : warn(
          "circuit ids are not exported, so limits per circuit do nothing: HiddenServiceExportCircuitID haproxy, OPERATORS_SOCKET and OPERATORS_CIRCUITS=on",
        )
  }
  return isExported
    ? bad(
        "circuit ids are exported but not expected, so the first line of everybody is lost: OPERATORS_SOCKET and OPERATORS_CIRCUITS=on",
      )
    : bad(
        "circuit ids are expected but not exported, so everybody is refused: HiddenServiceExportCircuitID haproxy",
      )
}

function defences({ options }: Service): readonly Finding[] {
  const wanted = [
    ["HiddenServiceMaxStreams", "8"],
    ["HiddenServiceMaxStreamsCloseCircuit", "1"],
    ["HiddenServiceEnableIntroDoSDefense", "1"],
    ["HiddenServicePoWDefensesEnabled", "1"],
  ] as const
  return wanted.map(([name, value]) => {
    const have = options.get(name.toLowerCase())
    return have === undefined || have === "0"
      ? warn(`${name} is not set: ${name} ${value}`)
      : good(`${name} ${have}`)
  })
}

function longLived({ ports }: Service, { options }: Torrc): Finding {
  const known = (options.get("longlivedports") ?? usualLongLived)
    .split(",")
    .map((port) => port.trim())
  const published = ports.flatMap((port) => /^\d+/.exec(port)?.[0] ?? [])
  const missing = published.filter((port) => !known.includes(port))
  return missing.length === 0
    ? good("published ports are long-lived")
    : warn(
        `circuits to port ${missing.join(", ")} may be short: LongLivedPorts ${published.join(",")}`,
      )
}

function clients({ directory }: Service, config: Config): Finding {
  const folder = join(directory, "authorized_clients")
  let count: number
  try {
    count = readdirSync(folder).filter((name) => name.endsWith(".auth")).length
  } catch {
    return warn(`${folder} cannot be read: run this as root, or as tor's user`)
  }
  if (count > 0) return good(`${count} clients are authorised, and nobody else finds the service`)
  const sentence = "anyone who has the address may connect: quartet invite NAME --onion-key ADDRESS"
  return config.operatorsRegistration === "open"
    ? bad(`${sentence}, or OPERATORS_REGISTRATION=invite`)
    : warn(sentence)
}

function leadsTo(port: string, config: Config): boolean {
  if (leadsToSocket(port, config)) return true
  const { operatorsPort } = config
  if (operatorsPort === undefined) return false
  const [own = "", target = own] = port.split(/\s+/)
  return target.replace(/^(?:127\.0\.0\.1|localhost|\[::1\]):/, "") === `${operatorsPort}`
}

function leadsToSocket(port: string, { operatorsSocket }: Config): boolean {
  const target = /\sunix:"?([^"]+?)"?$/.exec(port)?.[1]
  return target !== undefined && target === operatorsSocket
}

export function good(says: string): Finding {
  return { level: "ok", says }
}

export function warn(says: string): Finding {
  return { level: "warn", says }
}

export function bad(says: string): Finding {
  return { level: "fail", says }
}
