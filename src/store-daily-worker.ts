/**
 * The thread of a day's copy: copies the database and checks the copy, beside the event loop. Ends
 * when that is done; what failed is thrown, and told to whoever started it.
 */
import { workerData } from "node:worker_threads"
import { openStore } from "./store.ts"
import { copyWhole } from "./store-contents.ts"

/** What the thread is started with. */
export interface DailyWork {
  readonly uri: string
  readonly file: string
  /** Where contents of durable blocks are kept. */
  readonly contents: string
}

const { uri, file, contents } = workerData as DailyWork // given by store-daily, the only one that starts us
const store = openStore({ uri, use: "visit" })
try {
  await copyWhole({ store, copy: file, contents, without: ["operators"] })
} finally {
  store.close()
}
