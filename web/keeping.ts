/**
 * Has the browser keep the page (worker.ts), and notices when a newer one is there.
 *
 * What always holds: the page never loads itself anew; it says that it could. Where the browser
 * has no service worker (a page over plain HTTP, a private window) everything else works.
 */
import { line } from "./desk.ts"
import { show } from "./notices.tsx"

/** Keeps this page, once it is drawn and has what it needs. */
export function keepPage(): void {
  // Undefined outside of a secure context, whatever its type says.
  if (!("serviceWorker" in navigator)) return
  addEventListener("load", () => void register(navigator.serviceWorker))
}

async function register(workers: ServiceWorkerContainer): Promise<void> {
  // The first worker has not seen what this page asked for; each later one is of a newer page.
  let isSeen = workers.controller !== null
  workers.addEventListener("controllerchange", () => {
    if (isSeen) void lookForNewer()
    else tellLoaded(workers)
    isSeen = true
  })
  try {
    // Relative to the page: worker and page lie below the same path.
    const registration = await workers.register("./worker.js", { updateViaCache: "none" })
    let before = line.value.tone
    line.watch(() => {
      // A server that was gone may be another one now.
      if (before === "away" && line.value.tone !== "away") void look(registration)
      before = line.value.tone
    })
  } catch {
    // The browser forbids it, or the file could not be had: the page is not kept, and works.
  }
}

/** Tells the worker what was loaded past it: before it was there, or under way when it came. */
function tellLoaded(workers: ServiceWorkerContainer): void {
  const tell: PerformanceObserverCallback = (list) =>
    workers.controller?.postMessage(list.getEntries().map(({ name }) => name))
  new PerformanceObserver(tell).observe({ type: "resource", buffered: true })
}

async function look(registration: ServiceWorkerRegistration): Promise<void> {
  try {
    await registration.update()
  } catch {
    // The server is gone again: it is looked for at the next start of the page at the latest.
  }
}

/** Another worker has taken over: says so if the server's page is not this one. */
async function lookForNewer(): Promise<void> {
  try {
    const answer = await fetch("./", { cache: "no-store" })
    const file = import.meta.url.slice(import.meta.url.lastIndexOf("/") + 1)
    if (!answer.ok || (await answer.text()).includes(file)) return
    show({
      subject: "version",
      sentence: "There is a newer version of this page. What you typed stays.",
      offers: [
        { label: "Reload", run: () => location.reload() },
        { label: "Later", run() {} },
      ],
    })
  } catch {
    // No line: the next start of the page gets the newer one.
  }
}
