/**
 * Has words counted by worker.py, whatever it is written in.
 * Usage: node examples/pools/caller.ts [tcp://127.0.0.1:45227] [text]
 */
import { PoolsError } from "../../src/client/pools-shapes.ts"
import { connect } from "../../src/client/tcp.ts"

const [address = "tcp://127.0.0.1:45227", text = "to be or not to be"] = process.argv.slice(2)
const app = await connect(address).pools({ app: "asker", instances: true })

try {
  const total = await app.call<number>("words.total", text, { ttlMs: 5_000, waitMs: 2_000 })
  console.log(total, "words")
  // At most four words are on their way: the worker waits for whoever reads slowly.
  for await (const [word, count] of app.stream<[string, number]>("words", text, { credit: 4 })) {
    console.log(word, count)
  }
} catch (thrown) {
  if (!(thrown instanceof PoolsError)) throw thrown
  console.error(`${thrown.code}: ${thrown.message}`)
  process.exitCode = 1
} finally {
  await app.close()
}
