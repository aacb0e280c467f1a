/**
 * Where `quartet chat` has its password from: a file, a command, or the person. Never from its own
 * arguments or environment, which other processes of the machine can read.
 */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"

export interface PasswordOptions {
  readonly "password-file"?: string | undefined
  readonly "password-command"?: string | undefined
}

/** The first line of the file, or of what the command prints; undefined where neither is named. */
export function passwordFrom(options: PasswordOptions): string | undefined {
  const { "password-file": file, "password-command": command } = options
  if (file !== undefined) return firstLine(readFileSync(file, "utf8"))
  if (command === undefined) return undefined
  const stdio = ["ignore", "pipe", "inherit"] as const
  return firstLine(
    execFileSync("/bin/sh", ["-c", command], { encoding: "utf8", stdio: [...stdio] }),
  )
}

function firstLine(text: string): string {
  const [line = ""] = text.split("\n", 1)
  return line.replace(/\r$/, "")
}
