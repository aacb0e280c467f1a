/**
 * A program of its own: a server of operators and nothing else, `node --expose-gc
 * test/operators-many.ts CALLSIGNS`, with an IPC channel. Says where it listens; asked, it says what
 * is left on its heap, buffers too, when all garbage is gone, and what the service keeps.
 *
 * Callsigns c0, c1 … are registered, each with the password "pw".
 */
import { secretOf } from "../src/operators/secret.ts"
import { until } from "./net-parts.ts"
import { Stage } from "./operators-stage.ts"

const count = Number(process.argv[2])
const stage = await new Stage({ operatorsConnections: 10_000 }).start()
const { accounts } = stage.service

// The rate of registrations is not what is looked at: one is made, the others have its secret.
const first = await stage.dial("TCP")
for (let time = 0; time < 2; time++) first.says("$ c0 pw")
await until(() => accounts.find("c0", 0) !== undefined)
first.leaves()
const secret = secretOf(accounts.find("c0", 0)?.secret ?? "")
if (secret === undefined) throw new Error("never: it was registered")
for (let number = 1; number < count; number++) accounts.register(`c${number}`, secret, 0)
await until(() => stage.service.counts.sessions === 0)

// Without this nothing would ever be late, closed or forgotten; as often as the server does it.
const { connections } = stage.parts
setInterval(() => {
  connections.tick(connections.now + 100)
  stage.service.tick(connections.now)
}, 100)

process.on("message", () => {
  // Twice: what finalizers let go of is only gone after the next one.
  for (let time = 0; time < 2; time++) globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  process.send?.({ bytes: heapUsed + external, counts: stage.service.counts })
})
const places = stage.part.places
process.send?.({ places, url: stage.url })
