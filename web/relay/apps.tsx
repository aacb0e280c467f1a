/** How to bring an app of one's own into this room: programs that run as they are, with this server's address. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import { CopyButton } from "../copy-button.tsx"
import { Segments } from "../segments.tsx"
import { roomOf, serverUrl, textName } from "./note.ts"
import type { NoteAddress } from "./place.ts"

const kinds = ["y-websocket", "Hocuspocus", "SDK"] as const

type Kind = (typeof kinds)[number]

/** In characters. */
const lineWidth = 40

const named = kinds.map((kind) => [kind, kind] as const)

interface AppsProps {
  readonly address: NoteAddress
  /** Then a program needs one too. It is never written into a program. */
  readonly hasToken: boolean
}

export function Apps({ address, hasToken }: AppsProps): VNode {
  const [kind, setKind] = useState<Kind>("y-websocket")
  const isSealed = address.key !== undefined
  // Only the SDK encrypts.
  const shown = isSealed ? "SDK" : kind
  const program = programOf(shown, { address, hasToken })
  return (
    <section class="side-part" aria-labelledby="apps-title">
      <h2 id="apps-title">Bring your own app</h2>
      <p class="quiet">{wordsFor(shown, isSealed)}</p>
      {!isSealed && <Kinds chosen={shown} onChosen={setKind} />}
      <div class="program">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
        <section class="program-text" tabIndex={0} aria-label={`Program for ${shown}`}>
          <pre>{program}</pre>
        </section>
        <CopyButton label="Copy the program" text={program} what="Program" />
      </div>
    </section>
  )
}

interface KindsProps {
  readonly chosen: Kind
  readonly onChosen: (kind: Kind) => void
}

function Kinds({ chosen, onChosen }: KindsProps): VNode {
  return (
    <fieldset class="program-kinds">
      <legend class="unseen">What your app is written with</legend>
      <Segments name="program" options={named} {...{ chosen, onChosen }} />
    </fieldset>
  )
}

function wordsFor(kind: Kind, isSealed: boolean): string {
  if (isSealed) return "Who has the key reads and writes along. It stands in this program: keep it."
  switch (kind) {
    case "y-websocket":
      return "Unmodified: change the address, and it is in this note."
    case "Hocuspocus":
      return "Tiptap and others, unmodified: change the address. They meet y-websocket in one room."
    case "SDK":
      return "The interface of y-websocket; also counts what others lack, and can encrypt."
  }
}

function programOf(kind: Kind, { address, hasToken }: AppsProps): string {
  const { name, key } = address
  const room = JSON.stringify(roomOf(address))
  const watch = `const text = doc.getText("${textName}")
text.observe(() => {
  console.log(text.toString())
})`
  switch (kind) {
    case "y-websocket":
      return `// npm install yjs y-websocket
${imports(["* as Y", "yjs"], ["{ WebsocketProvider }", "y-websocket"])}

const doc = new Y.Doc()
new WebsocketProvider(
  "${serverUrl("yjs")}",
  ${room},
  doc,${hasToken ? "\n  { params: { token } }," : ""}
)

${watch}
`
    case "Hocuspocus":
      return `// npm install yjs @hocuspocus/provider
${imports(["* as Y", "yjs"], ["{ HocuspocusProvider }", "@hocuspocus/provider"])}

const doc = new Y.Doc()
new HocuspocusProvider({
  url: "${serverUrl("hocuspocus")}",
  name: ${JSON.stringify(`demo/${name}`)},
  document: doc,${hasToken ? "\n  token," : ""}
})

${watch}
`
    case "SDK":
      return `${imports(
        ["* as Y", "yjs"],
        ["{ WebsocketProvider }", "quartet/client/yjs"],
        ...(key === undefined ? [] : [["{ RoomKey }", "quartet/client"] as const]),
      )}

const doc = new Y.Doc()
new WebsocketProvider(
  "${serverUrl("yjs")}",
  ${room},
  doc,${optionsFor(key, hasToken)}
)

${watch}
`
  }
}

function imports(...all: readonly (readonly [what: string, from: string])[]): string {
  // In the width of its frame: what is cut off is not read.
  const between = (line: string): string => (line.length > lineWidth ? "\n  " : " ")
  return all
    .map(
      ([what, from]) => `import ${what}${between(`import ${what} from "${from}"`)}from "${from}"`,
    )
    .join("\n")
}

function optionsFor(key: string | undefined, hasToken: boolean): string {
  const options = [
    ...(hasToken ? ["token"] : []),
    ...(key === undefined ? [] : [`key: RoomKey.fromText("${key}")`]),
  ]
  return options.length === 0 ? "" : `\n  { ${options.join(", ")} },`
}
