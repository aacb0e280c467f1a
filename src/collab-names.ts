/** Names for servers and far ends, and the name of the document that a request asks for. */
import { randomBytes } from "node:crypto"

/** A name for a server, new each time: `server-1704844800000-9f86d081`. */
export function generateServerId(): string {
  return `server-${Date.now()}-${drawn()}`
}

/** A name for a far end, new each time: `client-1704844800000-9f86d081`. */
export function generateClientId(): string {
  return `client-${Date.now()}-${drawn()}`
}

/**
 * The document that a request to upgrade asks for: `?docId=`, else what follows `/collab/` in its
 * path, else the path; "" for none, which no relay admits.
 */
export function extractDocId(request: { readonly url?: string | undefined }): string {
  const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s)
  const named = new URLSearchParams(query).get("docId")
  if (named !== null) return named
  try {
    return decodeURIComponent(path.replace(/^\/(collab\/|collab$)?/, ""))
  } catch {
    return "" // malformed percent-encoding names no document
  }
}

/** Four random bytes. */
export function drawn(): string {
  return randomBytes(4).toString("hex")
}
