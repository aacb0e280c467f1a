/** A link as a QR code, for the eye of a phone: the one file that knows how such codes are made. */
import { encode } from "uqr"

/** A code of `size` by `size` modules; `path` draws the dark ones, for SVG, one unit each. */
export interface Code {
  readonly size: number
  readonly path: string
}

/** The code of `link`. Medium correction: a smudged screen is still read. Throws RangeError above 2 KB. */
export function codeOf(link: string): Code {
  const { size, data } = encode(link, { ecc: "M", border: 0 })
  return { size, path: data.map(rowPath).join("") }
}

// A run of dark modules is one stroke: no hairlines between them, and a quarter of the path.
function rowPath(row: readonly boolean[], y: number): string {
  let path = ""
  for (let x = 0; x < row.length; x += 1) {
    if (row[x] !== true) continue
    const from = x
    while (row[x + 1] === true) x += 1
    path += `M${from} ${y}h${x + 1 - from}v1H${from}z`
  }
  return path
}
