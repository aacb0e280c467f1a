/** Which version two ends speak. */

/** What this server speaks, the newest last. */
export const knownVersions = ["0.1", "1.0"] as const
export type Version = (typeof knownVersions)[number]

/**
 * The highest version that both know; undefined when there is none. An app names the newest it
 * speaks, and may name the oldest; without that it is the first of the same major number. Whoever
 * names none speaks 0.1.
 */
export function agreed(
  newest: string | undefined,
  oldest: string | undefined,
): Version | undefined {
  const top = numberOf(newest ?? "0.1")
  const bottom = oldest === undefined ? Math.floor(top / 10_000) * 10_000 : numberOf(oldest)
  return knownVersions.findLast((each) => numberOf(each) <= top && numberOf(each) >= bottom)
}

/** Major and minor in one number. What stands behind them does not count. */
function numberOf(version: string): number {
  const [major = "0", minor = "0"] = version.split(".")
  return Number(major) * 10_000 + Number(minor)
}
