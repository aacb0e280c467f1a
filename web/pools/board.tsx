/**
 * What the pools' panel shows: the way in, then what there is as a tree, and what is chosen of it. It
 * is an app like any other: all it knows comes over the pools' own WebSocket.
 */
import type { VNode } from "preact"
import { useEffect, useMemo, useState } from "preact/hooks"
import type { OpenApp } from "../../src/client/pools-app.ts"
import type { AppState } from "../../src/client/pools-shapes.ts"
import { announce } from "../announcer.tsx"
import { useCell } from "../cell.ts"
import { type Choice, type Line, offer, line as railLine } from "../desk.ts"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../more-icons.tsx"
import { openPart } from "../panels.ts"
import { AppView } from "./app-view.tsx"
import { BlockView } from "./block-view.tsx"
import { isEmpty, Look, type Seen } from "./look.ts"
import { Overview } from "./overview.tsx"
import { formatPlace, go, type Place, place } from "./place.ts"
import { PoolView } from "./pool-view.tsx"
import { Program } from "./program.tsx"
import { Ask, Over } from "./token.tsx"
import { Tree } from "./tree.tsx"
import { TriggerView } from "./trigger-view.tsx"
import { type Entry, WayIn } from "./way-in.ts"
import { Welcome } from "./welcome.tsx"
import "./pools.css"
import "./way-in.css"
import "./views.css"
import "./calls.css"

/** One for this page: panels stay, and so does the connection. */
const wayIn = new WayIn()

export function Board(): VNode {
  const entry = useCell(wayIn.entry)
  useEffect(() => wayIn.begin(), [])
  useTitle(entry)
  switch (entry.state) {
    case "entering":
      return <Empty words="Connecting" />
    case "asked":
      return <Ask problem={entry.problem} onToken={(token) => wayIn.admit(token)} />
    case "out":
      return <Over why={entry.why} onAgain={() => wayIn.again()} />
    case "in":
      return <Inside app={entry.app} state={entry.line} />
  }
}

interface InsideProps {
  readonly app: OpenApp
  readonly state: AppState
}

function Inside({ app, state }: InsideProps): VNode {
  const look = useMemo(() => new Look(app), [app])
  const seen = useCell(look.seen)
  const problem = useCell(look.problem)
  const at = useCell(place)
  const [isHelping, setIsHelping] = useState(false)
  useEffect(() => look.watch(), [look])
  useArrivals(seen)
  useOffer(seen)
  const standing = standingOf(state, problem)
  if (seen === undefined) return <Empty words={standing.words} />
  return (
    <>
      <header class="top-line pools-line" data-deep={at.kind !== "all"}>
        <button
          type="button"
          class="icon-button pools-back"
          aria-label="Back to the whole server"
          onClick={() => go({ kind: "all" })}
        >
          <Icon name="right" />
        </button>
        <h1>Pools</h1>
        <p class="pools-state" data-tone={standing.tone} role="status">
          <span class="dot" />
          <span class="pools-words" title={standing.words}>
            {standing.words}
          </span>
        </p>
        <span class="top-line-space" />
        <button type="button" class="button pools-add" onClick={() => setIsHelping(true)}>
          <Icon name="plus" />
          <span>Connect an app</span>
        </button>
      </header>
      <div class="pools-body" data-deep={at.kind !== "all"}>
        <Tree self={app.id} seen={seen} at={at} />
        <div class="pane" key={formatPlace(at)}>
          <div class="pane-inner">
            <Chosen {...{ look, seen, at }} />
          </div>
        </div>
      </div>
      {isHelping && <Help onClose={() => setIsHelping(false)} />}
    </>
  )
}

interface ChosenProps {
  readonly look: Look
  readonly seen: Seen
  readonly at: Place
}

function Chosen({ look, seen, at }: ChosenProps): VNode {
  switch (at.kind) {
    case "all":
      if (isEmpty(seen)) return <Welcome hasToken={wayIn.hasToken} />
      return <Overview {...{ look, seen }} />
    case "pool":
      return <PoolView {...{ look, seen }} name={at.pool} />
    case "app":
      return <AppView {...{ look, seen }} id={at.name} />
    case "trigger":
      return <TriggerView {...{ look, seen }} pool={at.pool} name={at.name} />
    case "block":
      return <BlockView {...{ look, seen }} pool={at.pool} id={at.name} />
  }
}

/** The same lines as later, so that nothing jumps when it comes. */
function Empty({ words }: { readonly words: string }): VNode {
  return (
    <>
      <header class="top-line pools-line">
        <h1>Pools</h1>
        <p class="pools-state" data-tone="busy" role="status">
          <span class="dot" />
          <span class="pools-words">{words}</span>
        </p>
      </header>
      <div class="pools-body">
        <div class="tree" />
        <div class="pane" />
      </div>
    </>
  )
}

function Help({ onClose }: { readonly onClose: () => void }): VNode {
  return (
    <Dialog label="Connect an app" class="pools-help" onDismiss={onClose}>
      <div class="sheet">
        <h2>Connect an app</h2>
        <p class="quiet">It handles a trigger and calls it every second.</p>
        <Program hasToken={wayIn.hasToken} />
        <div class="sheet-foot">
          <button type="button" class="button button-prime" data-first onClick={onClose}>
            Done
          </button>
        </div>
      </div>
    </Dialog>
  )
}

/** How the connection is, in words. */
function standingOf(state: AppState, problem: string): Line {
  switch (state) {
    case "ready":
      return problem === "" ? { tone: "calm", words: "Live" } : { tone: "bad", words: problem }
    case "draining":
      return { tone: "busy", words: "The server is stopping" }
    case "connecting":
    case "away":
      return { tone: "away", words: "No line, trying again" }
    case "closed":
      return { tone: "bad", words: "Closed" }
  }
}

/** While this panel is open the window's title and the rail's dot are its own. */
function useTitle(entry: Entry): void {
  const isOpen = useCell(openPart) === "pools"
  const at = useCell(place)
  useEffect(() => {
    if (!isOpen) return
    const name = at.kind === "all" ? "" : `${at.kind === "pool" ? at.pool : at.name} · `
    document.title = `${name}Pools · Quartet`
    railLine.value =
      entry.state === "in"
        ? standingOf(entry.line, "")
        : { tone: entry.state === "entering" ? "busy" : "bad", words: "Not connected to the pools" }
  }, [isOpen, at, entry])
}

/** A screen reader is told who comes and who goes. */
function useArrivals(seen: Seen | undefined): void {
  const names = (seen?.apps ?? [])
    .filter(({ instances }) => instances.length > 0)
    .map(({ id }) => id)
    .join(" ")
  const [before, setBefore] = useState<string>()
  useEffect(() => {
    if (seen === undefined) return
    setBefore(names)
    if (before === undefined || openPart.value !== "pools") return
    const [old, now] = [before.split(" "), names.split(" ")]
    for (const id of now) if (!old.includes(id)) announce(`app ${id}`, `${id} came.`)
    for (const id of old) if (!now.includes(id)) announce(`app ${id}`, `${id} went.`)
  }, [names, seen === undefined])
}

/** The palette leads to everything in the tree. */
function useOffer(seen: Seen | undefined): void {
  useEffect(() => offer(() => choicesOf(seen)), [seen])
}

function choicesOf(seen: Seen | undefined): readonly Choice[] {
  if (seen === undefined || openPart.value !== "pools") return []
  return [
    { group: "Pools", title: "Whole server", run: () => go({ kind: "all" }) },
    ...seen.triggers.map(({ pool, name }) => ({
      group: "Triggers",
      title: name,
      detail: pool,
      run: () => go({ kind: "trigger", pool, name }),
    })),
    ...seen.apps.map(({ id, pools }) => ({
      group: "Apps",
      title: id,
      run: () => go({ kind: "app", pool: pools[0] ?? "default", name: id }),
    })),
    ...seen.blocks.map(({ pool, id }) => ({
      group: "Blocks",
      title: id,
      detail: pool,
      run: () => go({ kind: "block", pool, name: id }),
    })),
  ]
}
