/** A link one can send: to be copied, or read off the screen by a phone. */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import { Cell, useCell } from "../cell.ts"
import { copy } from "../clipboard.ts"
import { Icon } from "../more-icons.tsx"
import { tell } from "../notices.tsx"
import type { Code } from "./share-code.ts"

/** "Copied" stays on the button for so long. */
const copiedMs = 2_000

/** Whether the code is shown: for as long as the page is, as the next link is sent the same way. */
const isCodeShown = new Cell(false)

interface CardProps {
  readonly link: string
  /** What a screen reader calls it. */
  readonly label: string
}

export function LinkCard({ link, label }: CardProps): VNode {
  const [copied, setCopied] = useState<string>()
  const isShown = useCell(isCodeShown)
  useEffect(() => {
    if (copied === undefined) return
    const timer = setTimeout(() => setCopied(undefined), copiedMs)
    return () => clearTimeout(timer)
  }, [copied])
  const isCopied = copied === link
  return (
    <>
      <div class="share-link">
        <input
          class="field"
          aria-label={label}
          readOnly
          value={link}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button
          type="button"
          class="icon-button share-code-button"
          aria-label="QR code"
          aria-expanded={isShown}
          onClick={() => {
            isCodeShown.value = !isShown
          }}
        >
          <Icon name="qr" />
        </button>
        <button
          type="button"
          class="button button-prime share-copy"
          onClick={async () => {
            if (await copy(link, "Link")) setCopied(link)
          }}
        >
          <Icon name={isCopied ? "check" : "copy"} />
          {isCopied ? "Copied" : "Copy"}
        </button>
      </div>
      {isShown && <QrCode link={link} />}
    </>
  )
}

function QrCode({ link }: { readonly link: string }): VNode {
  const [code, setCode] = useState<Code>()
  useEffect(() => {
    let isCurrent = true
    import("./share-code.ts").then(
      ({ codeOf }) => isCurrent && setCode(codeOf(link)),
      () => isCurrent && tell("code", "The QR code could not be loaded; the link works without"),
    )
    return () => {
      isCurrent = false
    }
  }, [link])
  return (
    <figure class="share-code">
      {code !== undefined && (
        // Always dark on light: cameras know it no other way.
        <svg viewBox={`0 0 ${code.size} ${code.size}`} role="img" shape-rendering="crispEdges">
          <title>QR code of the link</title>
          <path d={code.path} />
        </svg>
      )}
    </figure>
  )
}
