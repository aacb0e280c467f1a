/**
 * In which of a cluster's 16,384 slots a name lies, and which names share one.
 *
 * What always holds: only what stands in the first braces of a name counts for its slot. So a name
 * that is spread has its last part in braces, and all others that belong together their kind.
 *
 *     lfcc:yjs:notes     lfcc:yjs:{notes}       one room, one slot
 *     lfcc:acts:writer   lfcc:{acts}:writer     with lfcc:{acts}
 *
 * Source: the key distribution model of the Redis Cluster specification.
 */

/** What there is much of. Everything else stays together by its kind. */
const spread = /^(lfcc:(?:doc|yjs|seed|mark|copy|copier|server|probe|parcel):)(.+)$/s

/** The name under which a cluster has `name`. */
export function taggedName(name: string): string {
  const [, kind, rest] = spread.exec(name) ?? []
  if (kind !== undefined) return `${kind}{${rest}}`
  return name.replace(/^(lfcc:)([^:]+)/, "$1{$2}")
}

/** 0 to 16383. */
export function slotOf(tagged: string): number {
  const open = tagged.indexOf("{")
  const close = tagged.indexOf("}", open + 1)
  const counts = open >= 0 && close > open + 1 ? tagged.slice(open + 1, close) : tagged
  return checksum(Buffer.from(counts)) % 16_384
}

/** CRC-16 in the form of XMODEM: polynomial 1021, beginning with 0. */
function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << 8
    for (let bit = 0; bit < 8; bit++) {
      sum = (sum & 0x8000) === 0 ? sum << 1 : (sum << 1) ^ 0x1021
    }
    sum &= 0xffff
  }
  return sum
}
