/** Keeps `entries`, a map or a set, at `limit`: the one that was added first makes room. */
export function dropOldest<Key>(
  entries: { readonly size: number; keys(): Iterator<Key>; delete(key: Key): boolean },
  limit: number,
): void {
  if (entries.size <= limit) return
  const oldest = entries.keys().next()
  if (oldest.done !== true) entries.delete(oldest.value)
}
