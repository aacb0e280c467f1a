/**
 * A form out of a trigger's JSON Schema, and a payload out of what was filled in. Pure.
 *
 * What always holds: a schema that is more than a flat list of texts, numbers and switches makes no
 * form, and is written as JSON.
 */
import { type Fields, isFields, listIn, textIn } from "../../src/client/pools-frames.ts"

/** One field of a form. */
export interface Field {
  readonly name: string
  readonly kind: "text" | "number" | "integer" | "switch" | "choice"
  readonly choices: readonly string[]
  readonly hint: string
  readonly isRequired: boolean
}

/** What is filled in, by name; a switch holds "true" or nothing. */
export type Filled = Readonly<Record<string, string>>

export type Payload = { readonly payload: unknown } | { readonly problem: string }

/** More fields than this are no form to fill in. */
const limitFields = 12

/** The fields that a schema asks for; undefined where it makes no form. */
export function formOf(schema: unknown): readonly Field[] | undefined {
  if (!isFields(schema) || schema["type"] !== "object") return undefined
  const { properties } = schema
  if (!isFields(properties)) return undefined
  const required = listIn(schema, "required")
  const fields: Field[] = []
  for (const [name, one] of Object.entries(properties)) {
    const kind = isFields(one) ? kindOf(one) : undefined
    if (kind === undefined || !isFields(one)) return undefined
    fields.push({
      name,
      kind,
      choices: listIn(one, "enum"),
      hint: textIn(one, "description") ?? "",
      isRequired: required.includes(name),
    })
  }
  return fields.length > 0 && fields.length <= limitFields ? fields : undefined
}

/** The payload of a form. What is left empty and is not asked for is left out. */
export function payloadOf(fields: readonly Field[], filled: Filled): Payload {
  const payload: Record<string, unknown> = {}
  for (const { name, kind, isRequired } of fields) {
    const text = filled[name] ?? ""
    if (kind === "switch") payload[name] = text === "true"
    else if (text === "" && !isRequired) continue
    else if (kind === "text" || kind === "choice") payload[name] = text
    else {
      const number = Number(text)
      const isFit = text.trim() !== "" && (kind === "number" || Number.isInteger(number))
      if (!isFit || !Number.isFinite(number)) {
        return { problem: `${name} is ${kind === "number" ? "a number" : "a whole number"}.` }
      }
      payload[name] = number
    }
  }
  return { payload }
}

/** The payload of a text in JSON; nothing for an empty one. */
export function payloadIn(text: string): Payload {
  if (text.trim() === "") return { payload: undefined }
  try {
    return { payload: JSON.parse(text) }
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : ""
    return { problem: `This is not JSON: ${why}` }
  }
}

/** What stands in the field for JSON at first: something of the schema's shape. */
export function exampleOf(schema: unknown): string {
  return schema === undefined ? "" : JSON.stringify(valueOf(schema, 0), null, 2)
}

function valueOf(schema: unknown, depth: number): unknown {
  if (!isFields(schema) || depth > 4) return null
  if ("default" in schema) return schema["default"]
  if (Array.isArray(schema["enum"])) return schema["enum"][0]
  switch (schema["type"]) {
    case "string":
      return ""
    case "number":
    case "integer":
      return 0
    case "boolean":
      return false
    case "array":
      return []
    case "object": {
      const { properties } = schema
      const entries = isFields(properties) ? Object.entries(properties) : []
      return Object.fromEntries(entries.map(([name, one]) => [name, valueOf(one, depth + 1)]))
    }
    default:
      return null
  }
}

function kindOf(one: Fields): Field["kind"] | undefined {
  const { type } = one
  if (Array.isArray(one["enum"])) {
    return one["enum"].every((each) => typeof each === "string") ? "choice" : undefined
  }
  if (type === "string") return "text"
  if (type === "boolean") return "switch"
  return type === "number" || type === "integer" ? type : undefined
}
