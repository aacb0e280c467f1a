/**
 * What others show of themselves, who may be programs of any kind: read field by field, and taken
 * for nothing where it is none.
 */
import type { Self } from "../preferences.ts"

/** What a state says of its owner, who may be a program of any kind. */
export function selfIn(state: unknown, id: number): Self {
  const user = fieldOf(state, "user")
  const name = fieldOf(user, "name")
  const hue = fieldOf(user, "hue")
  return {
    name: typeof name === "string" && name.trim() !== "" ? name.slice(0, 64) : "Somebody",
    // Without one, any will do that is the same each time; these lie far apart.
    hue: typeof hue === "number" && hue >= 0 && hue < 360 ? hue : (id * 137) % 360,
  }
}

/** A field of what came from elsewhere; undefined where there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined
}
