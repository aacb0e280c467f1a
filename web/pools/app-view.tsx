/** An app: each of its connections, what it handles, and its calls of the last two minutes. */
import type { VNode } from "preact"
import { HalfWithin } from "./call-tiles.tsx"
import { Gone, Head, Part, To } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { measure, only, ratesOf } from "./measure.ts"
import { CallTable } from "./recent.tsx"
import type { AppRow, Instance } from "./rows.ts"
import { Table } from "./table.tsx"
import { Fact, Tile, Tiles } from "./tiles.tsx"
import { stateOf } from "./tree.tsx"
import { pageId } from "./way-in.ts"
import { grouped, milliseconds, perSecond, span } from "./words.ts"

const limitShown = 50

interface AppViewProps {
  readonly look: Look
  readonly seen: Seen
  readonly id: string
}

export function AppView({ look, seen, id }: AppViewProps): VNode {
  const app = seen.apps.find((each) => each.id === id)
  if (app === undefined) return <Gone kind="App" name={id} />
  const isOf = (name: string | undefined): boolean => name?.split("#")[0] === id
  const known = only(seen.calls, ({ caller, handler }) => isOf(caller) || isOf(handler))
  const handled = only(known, ({ handler }) => isOf(handler))
  const made = only(known, ({ caller }) => isOf(caller))
  const held = app.instances.reduce((sum, each) => sum + each.held, 0)
  return (
    <>
      <Head kind={`App, ${stateOf(app)}`} name={id}>
        {aboutOf(app, look)}
      </Head>
      <Tiles>
        <Tile
          name="Handles"
          figure={perSecond(measure(handled).perSecond)}
          hint="Calls that it was given, over the last minute"
          values={ratesOf(handled)}
        />
        <HalfWithin
          known={handled}
          hint="From a call's arrival at the server to this app's answer"
        />
        <Tile
          name="Calls"
          figure={perSecond(measure(made).perSecond)}
          hint="Calls that it made, over the last minute"
          values={ratesOf(made)}
        />
        <Tile name="Holds" figure={grouped(held)} hint="Calls that it works on now" />
      </Tiles>
      <Instances app={app} />
      <Handles app={app} seen={seen} />
      <Part title="Its calls of the last two minutes">
        {known.calls.length === 0 ? (
          <p class="quiet">None.</p>
        ) : (
          <CallTable calls={known.calls.slice(0, limitShown)} hasTrigger />
        )}
      </Part>
    </>
  )
}

function aboutOf({ bound, lastSeen, id, instances }: AppRow, look: Look): string {
  const whose = id === pageId ? "Pages like this one. " : ""
  const id_ = bound === "none" ? "Anyone may claim its id." : `Its id is bound to a ${bound}.`
  const away = `It was last seen ${span(look.serverNow() - lastSeen)} ago. `
  return `${whose}${instances.length === 0 ? away : ""}${id_}`
}

function Instances({ app: { instances } }: { readonly app: AppRow }): VNode {
  if (instances.length === 0) {
    return (
      <Part title="Connections">
        <p class="quiet">None now. What it handled comes back with it, if it asks for that.</p>
      </Part>
    )
  }
  return (
    <Part title="Connections">
      <Table
        columns={[
          "Name",
          "State",
          ["Proved by", "wide"],
          ["Holds", "number"],
          ["Heard", "number wide"],
          ["Round trip", "number"],
        ]}
      >
        {instances.map((each) => (
          <InstanceLine key={each.name} instance={each} />
        ))}
      </Table>
    </Part>
  )
}

function InstanceLine({ instance }: { readonly instance: Instance }): VNode {
  const { name, state, identity, held, silentMs, roundTripMs } = instance
  return (
    <tr>
      <td class="pools-mono">{name}</td>
      <td>
        <span class="app-state" data-tone={state}>
          <span class="dot" />
          {state}
        </span>
      </td>
      <td class="wide">{identity === "none" ? "nothing" : identity}</td>
      <td class="number">{held}</td>
      <td class="number wide">{span(silentMs)} ago</td>
      <td class="number">{milliseconds(roundTripMs)}</td>
    </tr>
  )
}

function Handles({ app, seen }: { readonly app: AppRow; readonly seen: Seen }): VNode {
  const names = new Set(app.instances.map(({ name }) => name))
  const own = seen.triggers.filter(({ handlers }) => handlers.some((each) => names.has(each.app)))
  return (
    <Part title="What it is in">
      <dl class="pools-facts">
        <Fact name="Handles">
          {own.length === 0
            ? "nothing"
            : own.map(({ pool, name }) => (
                <To key={`${pool} ${name}`} at={{ kind: "trigger", pool, name }}>
                  {name}
                </To>
              ))}
        </Fact>
        <Fact name="Pools">
          {app.pools.length === 0
            ? "none that this page may see"
            : app.pools.map((pool) => (
                <To key={pool} at={{ kind: "pool", pool }}>
                  {pool}
                </To>
              ))}
        </Fact>
      </dl>
    </Part>
  )
}
