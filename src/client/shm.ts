/**
 * Memory shared with a server on this machine: files are mapped through koffi, Node on Linux only.
 *
 * What always holds: a file is mapped only when its length, header and uuid are those that were told;
 * no link is followed. Memory is never unmapped while a view of it lives: anonymous pages take its
 * place, so a view that is left behind shows zeros and ends nobody.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs"
import { crc32 } from "node:zlib"
import { decode64 } from "../wire/base64.ts"
import { headerOf, MemoryArea } from "../wire/layout.ts"
import type { Mapper, Mapping, MappingOf } from "./blocks-mapping.ts"
import { MappedBlock } from "./shm-mapping.ts"

const lineBytes = 64
const probeBytes = 16
const failed = 0xffff_ffff_ffff_ffffn

// Of mmap(2) on Linux.
const protections = { read: 1, write: 2 } as const
const flags = { shared: 1, private: 2, fixed: 0x10, anonymous: 0x20, noReserve: 0x4000 } as const

/** What of libc is used. Addresses are as koffi gives them. */
interface Calls {
  readonly map: (of: {
    readonly address: bigint
    readonly bytes: number
    readonly protection: number
    readonly flags: number
    readonly file: number
  }) => bigint | undefined
  readonly unmap: (address: bigint, bytes: number) => void
  readonly view: (address: bigint, bytes: number) => ArrayBuffer
}

/** Undefined where koffi is not installed, or this is not Linux. */
export async function loadMapper(): Promise<Mapper | undefined> {
  if (process.platform !== "linux") return undefined
  try {
    return new LinuxMapper(await callsOfLibc())
  } catch {
    // Not installed, or not for this machine: everything goes over the connection.
    return undefined
  }
}

async function callsOfLibc(): Promise<Calls> {
  const { default: koffi } = await import("koffi")
  const libc = koffi.load(null)
  const map = libc.func("void *mmap(intptr_t, size_t, int, int, int, int64_t)")
  const unmap = libc.func("int munmap(intptr_t, size_t)")
  return {
    map: ({ address, bytes, protection, flags: how, file }) => {
      const at: unknown = map(address, bytes, protection, how, file, 0)
      return typeof at === "bigint" && at !== failed ? at : undefined
    },
    unmap: (address, bytes) => void unmap(address, bytes),
    view: (address, bytes) => koffi.view(address, bytes),
  }
}

interface Pages {
  readonly address: bigint
  readonly bytes: number
}

class LinuxMapper implements Mapper {
  readonly program = ownProgram()
  readonly #calls: Calls
  // Once nobody can look at them any more, their addresses are free.
  readonly #unseen: FinalizationRegistry<Pages>
  readonly #still = new Int32Array(new SharedArrayBuffer(4))

  constructor(calls: Calls) {
    this.#calls = calls
    this.#unseen = new FinalizationRegistry(({ address, bytes }) => calls.unmap(address, bytes))
  }

  shares(dir: string, probe: string): boolean {
    try {
      const found = readFileSync(`${dir}/probe`)
      const told = decode64(probe)
      return told?.length === probeBytes && found.equals(told)
    } catch {
      return false
    }
  }

  map(path: string, of: MappingOf): Mapping | string {
    let file: number
    try {
      const how = of.access === "write" ? constants.O_RDWR : constants.O_RDONLY
      file = openSync(path, how | constants.O_NOFOLLOW)
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown)
    }
    try {
      return this.#mapped(file, of)
    } finally {
      closeSync(file)
    }
  }

  sleepMs(ms: number): void {
    Atomics.wait(this.#still, 0, 0, ms)
  }

  #mapped(file: number, of: MappingOf): Mapping | string {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size !== of.bytes) return `it is ${stat.size} bytes long`
    const line = new Uint8Array(lineBytes)
    if (readSync(file, line, 0, lineBytes, 0) !== lineBytes) return "it ends too early"
    const header = headerOf(line, of.bytes)
    if (typeof header === "string") return header
    if (uuidOf(header.uuid) !== of.uuid) return "it is another block"
    const { bytes, access } = of
    const address = this.#calls.map({
      ...{ address: 0n, bytes, file },
      protection: access === "read" ? protections.read : protections.read | protections.write,
      flags: access === "sealed" ? flags.private : flags.shared,
    })
    if (address === undefined) return "the system does not map it"
    const buffer = this.#calls.view(address, bytes)
    this.#unseen.register(buffer, { address, bytes })
    const area = new MemoryArea(buffer)
    const release = () => this.#release(address, bytes)
    const verify = process.arch === "x64" ? "never" : "always"
    return new MappedBlock({ area, header, crc: sum, verify, release }, of)
  }

  /** Puts pages of this program's own where the file was. */
  #release(address: bigint, bytes: number): void {
    const own = flags.private | flags.anonymous | flags.fixed | flags.noReserve
    // Writable: a store through a view that was left behind must not end the process.
    const protection = protections.read | protections.write
    this.#calls.map({ address, bytes, protection, flags: own, file: -1 })
  }
}

/** 0.2 ms for 1 MiB. */
function sum(bytes: Uint8Array, before = 0): number {
  return crc32(bytes, before)
}

function uuidOf(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString("hex")
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
}

/** When it began is field 22 of its line in /proc, behind the name, which may hold anything. */
function ownProgram() {
  try {
    const text = readFileSync("/proc/self/stat", "latin1")
    const started = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19])
    return Number.isSafeInteger(started) ? { pid: process.pid, started } : undefined
  } catch {
    return undefined
  }
}
