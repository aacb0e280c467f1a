/**
 * Which callsigns may be registered, as far as their letters go. Pure.
 *
 * What always holds: a skeleton is made at registration and invitation only, and never used to find
 * a target; two callsigns that look alike have the same one.
 */
import { folded } from "../wire/operators.ts"

const reserved: ReadonlySet<string> = new Set(
  (
    "quartet invite die ping pong send got recall waiting sessions end hello " +
    "server system admin root all here everyone me"
  ).split(" "),
)

const lookAlikes: Readonly<Record<string, string>> = {
  rn: "m",
  vv: "w",
  "0": "o",
  "1": "l",
  i: "l",
  "-": "",
  _: "",
}

/** Whether nobody may be called so. */
export function isReserved(callsign: string): boolean {
  return reserved.has(folded(callsign))
}

/** What two callsigns that look alike have in common: `Bar-n0` and `bamo` are both `bamo`. */
export function skeletonOf(callsign: string): string {
  return folded(callsign).replace(/rn|vv|[01i_-]/g, (found) => lookAlikes[found] ?? found)
}
