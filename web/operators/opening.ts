/** Opens the line to the operators of the server that this page is from. Of the SDK only this part is taken. */
import { OperatorsSession } from "../../src/client/operators.ts"
import type { Operators, OperatorsOptions } from "../../src/client/operators-shapes.ts"
import { openSocketLine } from "../../src/client/operators-socket.ts"

// All addresses are relative: the server is where the page is, which may be below a path.
const line = openSocketLine(new URL(".", location.href).href)

/** Throws TypeError for what cannot be a callsign. */
export function openOperators(options: OperatorsOptions): Operators {
  return new OperatorsSession(line, options)
}
