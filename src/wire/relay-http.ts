/**
 * What an admin sends to the relay over HTTP, checked.
 *
 * What always holds: a body that is not of its form is "bad-message", with a sentence that shows the
 * form; further fields are ignored.
 */
import { WireError } from "./error.ts"
import { checked, type Static, Type } from "./schema.ts"

const name = Type.String({ minLength: 1, maxLength: 256 })

const revoke = Type.Object({
  sub: name,
  room: Type.Optional(name),
  role: Type.Optional(
    Type.Union([Type.Literal("viewer"), Type.Literal("editor"), Type.Literal("admin")]),
  ),
})
const deny = Type.Object({ pattern: name, on: Type.Boolean() })
const textLimit = 64 * 1024
const message = Type.Object({ room: name, text: Type.String({ maxLength: textLimit }) })

const checks = {
  revoke: checked(
    revoke,
    '{"sub":"ada","room":"notes","role":"viewer"}, with role viewer, editor or admin, and may lack the last two',
  ),
  deny: checked(deny, '{"pattern":"drafts/*","on":true}'),
  message: checked(
    message,
    `{"room":"notes","text":"…"}, with a text of at most ${textLimit} characters`,
  ),
} as const

/** What an admin may do. */
export type RelayAct =
  | ({ readonly kind: "revoke" } & Static<typeof revoke>)
  | ({ readonly kind: "deny" } & Static<typeof deny>)
  | ({ readonly kind: "message" } & Static<typeof message>)

/** Reads the body of an act. Throws WireError "bad-message". */
export function readAct(kind: RelayAct["kind"], body: Uint8Array): RelayAct {
  const value = parsed(body)
  switch (kind) {
    case "revoke": {
      const { sub, room, role } = checks.revoke(value)
      return {
        kind,
        sub,
        ...(room === undefined ? {} : { room }),
        ...(role === undefined ? {} : { role }),
      }
    }
    case "deny": {
      const { pattern, on } = checks.deny(value)
      return { kind, pattern, on }
    }
    case "message": {
      const { room, text } = checks.message(value)
      return { kind, room, text }
    }
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body))
  } catch {
    throw new WireError("bad-message", "the body is not JSON in UTF-8")
  }
}
