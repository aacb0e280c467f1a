/**
 * What the tests need from the distribution: Chromium, redis-server and Python's cryptography. Installs what is missing when
 * this process may (root, with apt-get); otherwise says loudly what will be skipped. Runs before
 * `npm test`.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const chromiumNames = ["chromium", "chromium-browser", "google-chrome"]

/** The path of a program that is found under one of `names`, or undefined. */
function find(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // absent or not ours to run: both mean "look on"
  }
}

/** The path of Chromium, or undefined where it is not installed. */
export function findChromium(): string | undefined {
  return find(chromiumNames)
}

/** The path of redis-server, or undefined where it is not installed. */
export function findRedis(): string | undefined {
  return find(["redis-server"])
}

/** The path of nginx, or undefined where it is not installed. It is not installed for tests: it would begin to serve. */
export function findNginx(): string | undefined {
  return find(["nginx"]) ?? ["/usr/sbin/nginx"].find(isExecutable)
}

/** The path of a Python, 3.11 or later, that has `cryptography`; undefined where there is none. */
export function findPython(): string | undefined {
  const here = find(["python3"])
  // The distribution's own: another one in front of it may lack the package.
  const candidates = [...(here === undefined ? [] : [here]), "/usr/bin/python3"].filter(
    isExecutable,
  )
  const asked = "import sys, cryptography; sys.exit(sys.version_info < (3, 11))"
  return candidates.find((python) => spawnSync(python, ["-c", asked]).status === 0)
}

/** Installs `name` with apt-get. Says what it does, and what came of it. */
function install(name: string): void {
  process.stderr.write(`tests: ${name} is missing; installing the distribution's package\n`)
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  const options = { env: environment, stdio: ["ignore", "ignore", "inherit"] as const }
  // apt knows packages only after an update; on a machine that has them already it costs a second.
  spawnSync("apt-get", ["update", "-q"], { ...options, stdio: [...options.stdio] })
  execFileSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", name], {
    ...options,
    stdio: [...options.stdio],
  })
}

if (import.meta.main) {
  const mayInstall = process.getuid?.() === 0 && find(["apt-get"]) !== undefined
  if (findChromium() === undefined && mayInstall) install("chromium")
  if (findChromium() === undefined) {
    process.stderr.write(
      "\n*** tests: Chromium is missing and cannot be installed here (needs root and apt-get).\n" +
        "*** All tests of the page will be SKIPPED. Install the package chromium to run them.\n\n",
    )
  }
  if (findRedis() === undefined && mayInstall) install("redis-server")
  if (findRedis() === undefined) {
    process.stderr.write(
      "\n*** tests: redis-server is missing and cannot be installed here (needs root and apt-get).\n" +
        "*** All tests of the bus over Redis will be SKIPPED. Install the package redis-server to run them.\n\n",
    )
  }
  if (findPython() === undefined && mayInstall) install("python3-cryptography")
  if (findPython() === undefined) {
    process.stderr.write(
      "\n*** tests: no Python 3.11 with cryptography is here, and none can be installed (needs root and apt-get).\n" +
        "*** All tests of Python's keys will be SKIPPED. Install the package python3-cryptography to run them.\n\n",
    )
  }
}
