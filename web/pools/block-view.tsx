/** A block of shared memory: how large, how new, who writes, who is attached, who holds its lock. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { BlockContent } from "./block-content.tsx"
import { type BlockFacts, type BlockRow, blockFactsOf, type LockRow } from "./block-rows.ts"
import { Gone, Head, Part, ToApp } from "./head.tsx"
import type { Look, Seen } from "./look.ts"
import { Table } from "./table.tsx"
import { Fact, Tile, Tiles } from "./tiles.tsx"
import { bytes, counted, grouped, span } from "./words.ts"

interface BlockViewProps {
  readonly look: Look
  readonly seen: Seen
  readonly pool: string
  readonly id: string
}

export function BlockView({ look, seen, pool, id }: BlockViewProps): VNode {
  const block = seen.blocks.find((each) => each.pool === pool && each.id === id)
  const facts = useFacts(look, { seen, pool, id })
  if (block === undefined) return <Gone kind={`Block in ${pool}`} name={id} />
  const { ring, size, length, generation, waiting, mapped, overSocket, subscribers } = block
  const lag = Math.max(0, ...(ring?.consumers.map((each) => each.lag) ?? []))
  return (
    <>
      <Head kind={`${ring === undefined ? "Block" : "Ring"} in ${pool}, ${block.state}`} name={id}>
        {aboutOf(block)}
      </Head>
      <Tiles>
        <Tile name="Size" figure={bytes(size)} hint="What it holds at most" />
        {ring === undefined ? (
          <>
            <Tile name="Content" figure={bytes(length)} hint="How long the newest generation is" />
            <Tile name="Generation" figure={grouped(generation)} hint="Counts the writes, from 1" />
          </>
        ) : (
          <Tile
            name="Furthest behind"
            figure={`${grouped(lag)} of ${grouped(ring.units)}`}
            hint="Units of 16 bytes that the slowest consumer has not taken"
          />
        )}
        <Tile
          name="Attached"
          figure={grouped(mapped + overSocket)}
          hint={`${mapped} mapped, ${overSocket} over a connection; ${subscribers} subscribed`}
        />
        <Tile name="Waiting" figure={grouped(waiting)} hint="Apps that wait for its lock" />
      </Tiles>
      {ring !== undefined && <Consumers block={block} />}
      <Standing block={block} facts={facts} look={look} />
      {ring === undefined && block.length > 0 && <BlockContent look={look} block={block} />}
      {facts !== undefined && facts.attached.length > 0 && <Attached facts={facts} pool={pool} />}
    </>
  )
}

function aboutOf({ flags, slots, edition, ring }: BlockRow): string {
  const words = [
    ...(ring === undefined ? [counted(slots, "slot")] : []),
    ...flags,
    ...(edition > 1 ? [`made anew ${counted(edition - 1, "time")}`] : []),
  ]
  return words.length === 0 ? "Plain." : `${words.join(", ")}.`
}

function Consumers({ block: { ring, pool } }: { readonly block: BlockRow }): VNode {
  const consumers = ring?.consumers ?? []
  return (
    <Part title="Consumers">
      {consumers.length === 0 ? (
        <p class="quiet">Nobody takes from it now.</p>
      ) : (
        <Table columns={["App", ["Behind", "number"], ["Lost", "number"]]}>
          {consumers.map(({ app, lag, lost }) => (
            <tr key={app}>
              <td>
                <ToApp name={app} pool={pool} />
              </td>
              <td class="number">{grouped(lag)}</td>
              <td class="number">{grouped(lost)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Part>
  )
}

interface StandingProps {
  readonly block: BlockRow
  readonly facts: BlockFacts | undefined
  readonly look: Look
}

function Standing({ block, facts, look }: StandingProps): VNode {
  const { writer, lock, pool } = block
  const locks = facts?.locks ?? (lock === undefined ? [] : [lock])
  const newest = Math.max(0, ...(facts?.slots.map(({ generation }) => generation) ?? []))
  return (
    <Part title="Who has it">
      <dl class="pools-facts">
        <Fact name="Writer">
          {writer === undefined ? "nobody now" : <ToApp name={writer} pool={pool} />}
        </Fact>
        <Fact name="Lock" hint="A fence tells a holder whose lease is over from the next one">
          {locks.length === 0
            ? "free"
            : locks.map((each) => (
                <span key={`${each.app} ${each.fence}`} class="lock-line">
                  <ToApp name={each.app} pool={pool} />
                  {` ${wordsOfLock(each, look.serverNow())}`}
                </span>
              ))}
        </Fact>
        {facts !== undefined && (
          <>
            <Fact name="Integrity">
              <span class="outcome" data-bad={facts.integrity !== "ok"}>
                {facts.integrity}
              </span>
            </Fact>
            <Fact name="File">{bytes(facts.fileBytes)}</Fact>
          </>
        )}
        {facts !== undefined && facts.slots.length > 0 && (
          <Fact name="Slots" hint="Each keeps one generation; the newest is marked">
            <span class="slots">
              {facts.slots.map(({ generation, length }, at) => (
                <span key={at} class="slot" data-newest={generation === newest && generation > 0}>
                  {generation === 0 ? "empty" : `${grouped(generation)} · ${bytes(length)}`}
                </span>
              ))}
            </span>
          </Fact>
        )}
      </dl>
    </Part>
  )
}

function wordsOfLock({ mode, fence, until }: LockRow, now: number): string {
  const left = until > now ? `its lease ends in ${span(until - now)}` : "its lease is over"
  return `${mode}, fence ${fence}, ${left}`
}

function Attached({ facts, pool }: { readonly facts: BlockFacts; readonly pool: string }): VNode {
  return (
    <Part title="Attached">
      <Table columns={["App", "To", "By"]}>
        {facts.attached.map(({ app, mode, via }, at) => (
          <tr key={at}>
            <td>
              <ToApp name={app} pool={pool} />
            </td>
            <td>{mode}</td>
            <td>{via === "map" ? "mapped memory" : "its connection"}</td>
          </tr>
        ))}
      </Table>
    </Part>
  )
}

interface Asked {
  readonly seen: Seen
  readonly pool: string
  readonly id: string
}

/** What a look into the block tells, asked again at each look; the last answer stays meanwhile. */
function useFacts(look: Look, { seen, pool, id }: Asked): BlockFacts | undefined {
  const [facts, setFacts] = useState<BlockFacts>()
  useEffect(() => {
    let isWanted = true
    look.app.admin("inspect_block", { target: id, params: { pool } }).then(
      (answer) => isWanted && setFacts(blockFactsOf(answer)),
      () => isWanted && setFacts(undefined),
    )
    return () => {
      isWanted = false
    }
  }, [seen, pool, id])
  return facts
}
