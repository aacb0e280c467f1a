/** What the server wrote into index.html for this one answer. */

/** The parts that run there, by name. */
export const parts: readonly string[] = meta("quartet-parts").split(/[,\s]+/)

/** Lets the style element pass that the editor makes: the page's policy admits no other. */
export const nonce: string = meta("quartet-nonce")

function meta(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? ""
}
