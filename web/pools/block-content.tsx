/**
 * What a block holds, live: read over this page's connection, and only once one asks for it, since
 * reading attaches the page to the block. It is detached when one looks elsewhere.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import type { Block, Snapshot } from "../../src/client/blocks-shapes.ts"
import { Segments } from "../segments.tsx"
import type { BlockRow } from "./block-rows.ts"
import { hexOf, limitDrawn, textOf } from "./content.ts"
import { Part } from "./head.tsx"
import type { Look } from "./look.ts"
import { bytes, grouped } from "./words.ts"

const ways = [
  ["text", "Text"],
  ["bytes", "Bytes"],
] as const

interface ContentProps {
  readonly look: Look
  readonly block: BlockRow
}

export function BlockContent({ look, block }: ContentProps): VNode {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <Part title="Content">
      {isOpen ? (
        <Live look={look} block={block} />
      ) : (
        <p class="content-offer">
          <button type="button" class="button" onClick={() => setIsOpen(true)}>
            Show the content
          </button>
          <span class="quiet pools-small">This page attaches to the block to read it.</span>
        </p>
      )}
    </Part>
  )
}

interface Shown {
  readonly now: Snapshot
  readonly before: Uint8Array | undefined
}

function Live({ look, block }: ContentProps): VNode {
  const [shown, setShown] = useState<Shown>()
  const [problem, setProblem] = useState("")
  const attached = useAttached(look, block, setProblem)
  const [way, setWay] = useState<"text" | "bytes">()
  useEffect(() => {
    let isWanted = true
    const read = attached?.read({ length: Math.min(block.length, limitDrawn) })
    read?.then(
      (now) => isWanted && setShown((last) => ({ now, before: last?.now.data })),
      (thrown: unknown) => isWanted && setProblem(sentenceOf(thrown)),
    )
    return () => {
      isWanted = false
    }
  }, [attached, block.generation])
  if (problem !== "") return <p role="status">{problem}</p>
  if (shown === undefined) return <p class="quiet">Reading</p>
  const { now } = shown
  const text = textOf(now.data)
  const chosen = way ?? (text === undefined ? "bytes" : "text")
  const cut = block.length > limitDrawn ? `, the first ${bytes(limitDrawn)}` : ""
  return (
    <>
      <div class="content-head">
        <Ways chosen={chosen} onChosen={setWay} />
        <span class="quiet pools-small">
          {`Generation ${grouped(now.generation)}, ${now.contentType}${cut}`}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section class="answer-text" tabIndex={0} aria-label="Content of the block">
        {chosen === "text" ? <pre>{text ?? "These bytes are no text."}</pre> : <Hex {...shown} />}
      </section>
    </>
  )
}

interface WaysProps {
  readonly chosen: "text" | "bytes"
  readonly onChosen: (way: "text" | "bytes") => void
}

function Ways({ chosen, onChosen }: WaysProps): VNode {
  return (
    <fieldset class="call-ways">
      <legend class="unseen">How the content is shown</legend>
      <Segments name="content" options={ways} chosen={chosen} onChosen={onChosen} />
    </fieldset>
  )
}

function Hex({ now, before }: Shown): VNode {
  return (
    <pre class="hex">
      {hexOf(now.data, before).map((row) => (
        <div key={row.at}>
          <span class="quiet">{row.at}</span>{" "}
          {row.bytes.map(({ digits, isNew }, at) => (
            <span key={`${row.at} ${at}`} data-new={isNew}>
              {` ${digits}`}
            </span>
          ))}
          {"   ".repeat(16 - row.bytes.length)}
          <span class="quiet">{`  ${row.text}`}</span>
        </div>
      ))}
    </pre>
  )
}

/** The block, for as long as this is shown. Only members attach: the page comes in for that, and leaves. */
function useAttached(
  look: Look,
  { pool: name, id }: BlockRow,
  onProblem: (sentence: string) => void,
): Block | undefined {
  const [attached, setAttached] = useState<Block>()
  useEffect(() => {
    let isWanted = true
    const pool = look.app.pool(name)
    const isIn = look.app.rights.has(name)
    const attaching = (async () => {
      if (!isIn) await pool.join()
      return pool.block.attach(id, { mode: "read", map: "off" })
    })()
    attaching.then(
      (block) => isWanted && setAttached(block),
      (thrown: unknown) => isWanted && onProblem(sentenceOf(thrown)),
    )
    return () => {
      isWanted = false
      const leave = async (): Promise<void> => {
        await (await attaching).detach()
        if (!isIn) await pool.leave()
      }
      leave().catch(() => {}) // gone with the connection, or never there
    }
  }, [])
  return attached
}

function sentenceOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
