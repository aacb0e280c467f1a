/** A pool: who is in it, and who may do what there. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { numberIn } from "../../src/client/pools-frames.ts"
import type { Member } from "../../src/client/pools-shapes.ts"
import { Calls, Failed } from "./call-tiles.tsx"
import { Gone, Head, Part, ToApp } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { only } from "./measure.ts"
import { type PoolRow, rowsIn } from "./rows.ts"
import { Table } from "./table.tsx"
import { Fact, Tile, Tiles } from "./tiles.tsx"
import { grouped, span } from "./words.ts"

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
  return (
    <>
      <Head kind={`Pool, ${pool.type}`} name={name}>
        {pool.description === "" ? undefined : pool.description}
      </Head>
      <Tiles>
        <Calls known={known} />
        <Failed known={known} />
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
    <Table columns={["App", "State", "Proved by", ["Here for", "number"]]}>
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
    </Table>
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
