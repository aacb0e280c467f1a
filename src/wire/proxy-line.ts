/**
 * The one line that tor puts before a connection of an onion service, when it exports circuit ids.
 *
 * What always holds: whatever is not exactly such a line is undefined; nothing is guessed.
 *
 *     PROXY TCP6 fc00:dead:beef:4dad::8d:1f ::1 65535 42 CR LF    circuit 0x008d001f
 */

/** The longest line of version 1 of the PROXY protocol, its ending included. */
export const proxyLineBytes = 107

const pattern =
  /^PROXY TCP6 fc00:dead:beef:4dad::([0-9a-f]{1,4}):([0-9a-f]{1,4}) ::1 (\d{1,5}) (\d{1,5})\r?$/i

/** The circuit that a line (without its newline) names, as eight hexadecimal digits. */
export function circuitOf(line: string): string | undefined {
  const [, high, low, from, to] = pattern.exec(line) ?? []
  if (high === undefined || low === undefined) return undefined
  if (Number(from) > 65_535 || Number(to) > 65_535) return undefined
  return `${high.padStart(4, "0")}${low.padStart(4, "0")}`.toLowerCase()
}
