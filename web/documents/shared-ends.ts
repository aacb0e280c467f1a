/** What two texts begin and end with alike. */

/** How much two texts have in common at their beginning, and at their end after that. Cuts no surrogate pair. */
export function sharedEnds(one: string, other: string): readonly [start: number, end: number] {
  const least = Math.min(one.length, other.length)
  let start = 0
  while (start < least && one[start] === other[start]) start += 1
  let end = 0
  while (end < least - start && one[one.length - 1 - end] === other[other.length - 1 - end])
    end += 1
  // A pair of surrogates is one character: it goes to the middle as a whole.
  if (start > 0 && isHigh(one, start - 1)) start -= 1
  if (end > 0 && isHigh(one, one.length - end - 1)) end -= 1
  return [start, end]
}

function isHigh(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit >= 0xd800 && unit <= 0xdbff
}
