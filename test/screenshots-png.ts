/**
 * Makes a picture of a page small: PNG in, PNG out with at most 256 colours, a byte for each pixel.
 *
 * What always holds: the commonest colours, such as backgrounds, stay exactly as they were; rare
 * ones, at the edges of letters, become the nearest that is kept.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib"

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const limitColours = 256

/** A picture of `width` pixels a row; each is a number, 0xrrggbb. */
interface Picture {
  readonly width: number
  readonly height: number
  readonly pixels: Uint32Array
}

/** Colours that lie together, the commonest first. */
type Box = readonly (readonly [colour: number, count: number])[]

/** `png` as Chromium writes it (8 bits a channel, not interlaced) in at most 256 colours. */
export function smaller(png: Buffer): Buffer {
  const { width, height, pixels } = decoded(png)
  const counts = new Map<number, number>()
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1)
  const palette = paletteOf(counts)
  const indexOf = new Map([...counts.keys()].map((colour) => [colour, nearest(palette, colour)]))
  const rows = Buffer.alloc((width + 1) * height)
  for (const [at, pixel] of pixels.entries()) {
    rows[at + Math.floor(at / width) + 1] = indexOf.get(pixel) ?? 0
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8) // 8 bits, by palette
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap(channels))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}

function decoded(png: Buffer): Picture {
  const pieces: Buffer[] = []
  let [width, height, depth] = [0, 0, 0]
  for (let at = signature.length; at < png.length; ) {
    const length = png.readUInt32BE(at)
    const type = png.toString("latin1", at + 4, at + 8)
    const data = png.subarray(at + 8, at + 8 + length)
    if (type === "IHDR") {
      width = data.readUInt32BE(0)
      height = data.readUInt32BE(4)
      depth = data[9] === 6 ? 4 : 3
    }
    if (type === "IDAT") pieces.push(data)
    at += length + 12
  }
  return { width, height, pixels: unfiltered(inflateSync(Buffer.concat(pieces)), width, depth) }
}

/** Takes back what PNG did to each row, and gives its pixels; `depth` is bytes a pixel. */
function unfiltered(rows: Buffer, width: number, depth: number): Uint32Array {
  const stride = width * depth
  const height = rows.length / (stride + 1)
  const bytes = Buffer.alloc(stride * height)
  const of = (x: number, y: number): number => (x < 0 || y < 0 ? 0 : (bytes[y * stride + x] ?? 0))
  for (let y = 0; y < height; y += 1) {
    const filter = rows[y * (stride + 1)]
    for (let x = 0; x < stride; x += 1) {
      const [left, up, corner] = [
        of(x - depth, y),
        of(x, y - 1),
        x < depth ? 0 : of(x - depth, y - 1),
      ]
      const added = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0
      bytes[y * stride + x] = (rows[y * (stride + 1) + 1 + x] ?? 0) + added
    }
  }
  return Uint32Array.from({ length: width * height }, (_, at) => bytes.readUIntBE(at * depth, 3))
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  if (a <= b && a <= c) return left
  return b <= c ? up : corner
}

function channels(colour: number): [number, number, number] {
  return [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]
}

/** Cuts the space of colours where it is widest and fullest until there are enough boxes. */
function paletteOf(counts: ReadonlyMap<number, number>): readonly number[] {
  const boxes: Box[] = [[...counts].sort(([, a], [, b]) => b - a)]
  while (boxes.length < Math.min(limitColours, counts.size)) {
    const worth = boxes.map((box) => spreadOf(box).worth)
    const at = worth.indexOf(Math.max(...worth))
    const [box] = boxes.splice(at, 1)
    if (box === undefined) throw new Error("never: the index of a box is one")
    boxes.push(...halves(box))
  }
  return boxes.map((box) => box[0]?.[0] ?? 0)
}

function spreadOf(box: Box): { readonly channel: number; readonly worth: number } {
  const count = box.reduce((sum, [, more]) => sum + more, 0)
  const spreads = [0, 1, 2].map((channel) => {
    const values = box.map(([colour]) => channels(colour)[channel] ?? 0)
    return values.reduce((a, b) => Math.max(a, b), 0) - values.reduce((a, b) => Math.min(a, b), 255)
  })
  const widest = Math.max(...spreads)
  return { channel: spreads.indexOf(widest), worth: widest ** 2 * Math.sqrt(count) }
}

/** Both hold at least one colour; each has its commonest first. */
function halves(box: Box): readonly [Box, Box] {
  const { channel } = spreadOf(box)
  const value = ([colour]: Box[number]): number => channels(colour)[channel] ?? 0
  const values = box.map(value)
  const low = values.reduce((a, b) => Math.min(a, b), 255)
  const high = values.reduce((a, b) => Math.max(a, b), 0)
  const middle = (low + high) / 2
  return [box.filter((each) => value(each) <= middle), box.filter((each) => value(each) > middle)]
}

function nearest(palette: readonly number[], colour: number): number {
  const [red, green, blue] = channels(colour)
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  for (const [index, kept] of palette.entries()) {
    const [r, g, b] = channels(kept)
    const distance = 2 * (r - red) ** 2 + 4 * (g - green) ** 2 + 3 * (b - blue) ** 2
    if (distance < least) [best, least] = [index, distance]
  }
  return best
}
