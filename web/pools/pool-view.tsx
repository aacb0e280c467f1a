/** A pool: who is in it, and who may do what there. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { numberIn } from "../../src/client/pools-frames.ts"
import type { Member } from "../../src/client/pools-shapes.ts"
import { Gone, Head, Part, ToApp } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { failuresOf, measure, only, ratesOf } from "./measure.ts"
import { type PoolRow, rowsIn } from "./rows.ts"
import { Fact, Tile, Tiles } from "./tiles.tsx"
import { grouped, perSecond, span, spanOfMeasure } from "./words.ts"

interface PoolViewProps {
  readonly look: Look
  readonly seen: Seen
  readonly name: string
}

export function PoolView({ look, seen, name }: PoolViewProps): VNode {
  const pool = seen.pools.find((each) => each.name === name)
  const { members, why } = useMembers(look, seen, name)
  const epoch = useEpoch(look, pool)
  if (pool === undefined) return <Gone kind="Pool" name={name} />
  const known = only(seen.calls, (call) => call.pool === name)
  const last = measure(known)
  const failed = last.failures.reduce((sum, [, count]) => sum + count, 0)
  return (
    <>
      <Head kind={`Pool, ${pool.type}`} name={name}>
        {pool.description === "" ? undefined : pool.description}
      </Head>
      <Tiles>
        <Tile
          name="Calls"
          figure={perSecond(last.perSecond)}
          more={`${grouped(last.count)} in the last ${spanOfMeasure(last.spanMs)}`}
          hint="Over the last minute; the curve shows two"
          values={ratesOf(known)}
        />
        <Tile
          name="Failed"
          figure={grouped(failed)}
          hint="Calls of the last minute that were not answered"
          values={failuresOf(known)}
          {...(failed > 0 ? { tone: "bad" as const } : {})}
        />
        <Tile name="Members" figure={grouped(pool.members)} hint="Connections that are in it now" />
        <Tile
          name="Kept emits"
          figure={grouped(pool.retained)}
          hint="The last of a name, kept for who comes later"
        />
      </Tiles>
      <Part title="Who may do what">
        <Rights pool={pool} epoch={epoch} />
      </Part>
      <Part title="Members">
        {members === undefined || members.length === 0 ? (
          <p class="quiet">{why === "" ? "Nobody is in it, or this page may not see who." : why}</p>
        ) : (
          <Members members={members} pool={name} now={look.serverNow()} />
        )}
      </Part>
    </>
  )
}

interface RightsProps {
  readonly pool: PoolRow
  readonly epoch: number | undefined
}

function Rights({ pool: { rights, owners, name, type }, epoch }: RightsProps): VNode {
  const whose =
    name === "system" ? "the server" : owners.length === 0 ? "nobody" : owners.join(", ")
  return (
    <dl class="pools-facts">
      {rights.map(([right, who]) => (
        <Fact key={right} name={right}>
          <span class="pools-mono">{who.length === 0 ? "nobody" : who.join(", ")}</span>
          {who.includes("*") && <span class="quiet"> everyone</span>}
        </Fact>
      ))}
      <Fact name="owned by" hint="Owners may do everything">
        {whose}
      </Fact>
      {type === "encrypted" && (
        <Fact name="keys" hint="Payloads are closed to the server and to this page">
          {epoch === undefined ? "its own" : `its own, in epoch ${epoch}`}
        </Fact>
      )}
    </dl>
  )
}

interface MembersProps {
  readonly members: readonly Member[]
  readonly pool: string
  readonly now: number
}

function Members({ members, pool, now }: MembersProps): VNode {
  return (
    <div class="pools-scroll">
      <table class="pools-table">
        <thead>
          <tr>
            <th scope="col">App</th>
            <th scope="col">State</th>
            <th scope="col">Proved by</th>
            <th scope="col" class="number">
              Here for
            </th>
          </tr>
        </thead>
        <tbody>
          {members.map(({ app, identity, state, since }) => (
            <tr key={app}>
              <td>
                <ToApp name={app} pool={pool} />
              </td>
              <td>{state}</td>
              <td>{identity === "none" ? "nothing" : identity}</td>
              <td class="number">{span(now - since)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function useMembers(look: Look, seen: Seen, name: string) {
  const [found, setFound] = useState<{
    readonly members: readonly Member[] | undefined
    readonly why: string
  }>({ members: undefined, why: "" })
  useEffect(() => {
    let isWanted = true
    const pool = look.app.pool(name)
    pool.members().then(
      (members) => isWanted && setFound({ members, why: "" }),
      (thrown: unknown) => {
        const why = thrown instanceof Error ? thrown.message : String(thrown)
        if (isWanted) setFound({ members: undefined, why })
      },
    )
    return () => {
      isWanted = false
    }
  }, [seen, name])
  return found
}

/** The newest epoch of an encrypted pool, where the server tells it to this page. */
function useEpoch(look: Look, pool: PoolRow | undefined): number | undefined {
  const [epoch, setEpoch] = useState<number>()
  const name = pool?.type === "encrypted" ? pool.name : undefined
  useEffect(() => {
    if (name === undefined) return
    const body = { type: "pool", operation: "epochs", pool: name, after: 0 }
    look.app.ground.requests.ask(body).then(
      (answer) => setEpoch(numberIn(rowsIn(answer, "records").at(-1) ?? {}, "epoch")),
      () => {}, // only members are told; then the pool's own row has to do
    )
  }, [name])
  return pool?.epoch ?? epoch
}
