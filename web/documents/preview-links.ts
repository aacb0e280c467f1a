/**
 * Where a link or an image in somebody's Markdown may lead. The words are a stranger's: what always
 * holds is that nothing comes out but `http`, `https` and `mailto`, whatever was written, and that
 * only what this server itself has may be loaded without being asked for.
 */

/** Where something leads: to a heading of the same text, or to another page. */
export type Reach =
  | { readonly to: "heading"; readonly slug: string }
  | { readonly to: "page"; readonly href: string; readonly isOurs: boolean }

/** What a link `[label]: url "title"` gives its label. */
export interface Definition {
  readonly url: string
  readonly title: string
}

const protocols: ReadonlySet<string> = new Set(["http:", "https:", "mailto:"])

/**
 * Where `url`, as it stands in the text without its escapes, leads from the page at `page`;
 * undefined for what a link must not do: run a script, carry data, name no address at all.
 */
export function reachOf(url: string, page: string): Reach | undefined {
  if (url.startsWith("#")) return { to: "heading", slug: decoded(url.slice(1)) }
  // An address that only names this page again would open it anew.
  if (url.trim() === "") return undefined
  let target: URL
  try {
    target = new URL(url, page)
  } catch {
    return undefined // no address: it stays the text it was
  }
  if (!protocols.has(target.protocol)) return undefined
  const isOurs = target.protocol !== "mailto:" && target.origin === new URL(page).origin
  return { to: "page", href: target.href, isOurs }
}

/** What a bare address in the text means: `www.` and mail addresses come without a protocol. */
export function bareUrl(words: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(words)) return words
  return words.includes("@") ? `mailto:${words}` : `https://${words}`
}

/** The name by which `#…` finds a heading, as most do it: small letters, hyphens for spaces. */
export function slugOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}\s_-]+/gu, "")
    .replace(/\s/g, "-")
}

/** How two labels are compared: case and spaces do not count. */
export function labelOf(words: string): string {
  return words.trim().replace(/\s+/g, " ").toLowerCase()
}

/** The text that an address, a title or a label stands for: without backslashes and entities. */
export function unescaped(words: string): string {
  return words.replace(
    /\\([!-/:-@[-`{-~])|&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z]\w{1,31});/gi,
    (all, sign: string | undefined) => sign ?? entityOf(all),
  )
}

/** The character of `&amp;`, `&#38;` or `&#x26;`; a name that is not known here stays as it is. */
export function entityOf(words: string): string {
  const inside = words.slice(1, -1)
  if (!inside.startsWith("#")) return entities.get(inside) ?? words
  const isHex = /^#x/i.test(inside)
  const point = Number.parseInt(inside.slice(isHex ? 2 : 1), isHex ? 16 : 10)
  const isCharacter = point > 0 && point <= 0x10ffff && (point & ~0x7ff) !== 0xd800
  return isCharacter ? String.fromCodePoint(point) : "\ufffd"
}

function decoded(words: string): string {
  try {
    return decodeURIComponent(words)
  } catch {
    return words // a lone per cent sign: then it means itself
  }
}

/** Those one meets: the list of all 2,231 would be larger than the rest of the preview. */
const entities: ReadonlyMap<string, string> = new Map(
  (
    "amp & lt < gt > quot \" apos ' nbsp \u00a0 copy © reg ® trade ™ hellip … mdash — ndash – " +
    "lsquo ‘ rsquo ’ ldquo “ rdquo ” laquo « raquo » bull • middot · times × divide ÷ plusmn ± " +
    "deg ° micro µ para ¶ sect § euro € pound £ yen ¥ cent ¢ larr ← rarr → uarr ↑ darr ↓ harr ↔ " +
    "le ≤ ge ≥ ne ≠ asymp ≈ infin ∞ frac12 ½ frac14 ¼ frac34 ¾ sup2 ² sup3 ³ auml ä ouml ö uuml ü " +
    "Auml Ä Ouml Ö Uuml Ü szlig ß eacute é egrave è agrave à ccedil ç ntilde ñ alpha α beta β " +
    "gamma γ delta δ lambda λ mu μ pi π sigma σ omega ω Delta Δ Omega Ω check ✓ star ☆"
  )
    .match(/[^ ]+ [^ ]+/g)
    ?.map((pair): [string, string] => [pair.split(" ")[0] ?? "", pair.split(" ")[1] ?? ""]),
)
