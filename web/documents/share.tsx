/**
 * The share sheet: the link, and whether an OTP guards the document. And its counterpart, the
 * dialog that asks a newcomer for that OTP.
 */
import type { VNode } from "preact"
import { useEffect, useState } from "preact/hooks"
import type { Address } from "../address.ts"
import { useCell, useRedraw } from "../cell.ts"
import { copy } from "../clipboard.ts"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../icons.tsx"
import { tell } from "../notices.tsx"
import { linkTo, place } from "./place.ts"
import type { Session } from "./session.ts"

interface ShareProps {
  readonly session: Session
  readonly under: Element | undefined
  readonly onClose: () => void
}

export function Share({ session, under, onClose }: ShareProps): VNode {
  const redraw = useRedraw()
  const link = linkTo(useCell(place))
  useEffect(() => session.text.on("access", redraw), [session])
  const isProtected = session.text.protected
  return (
    <Dialog label="Share this document" class="sheet share" under={under} onDismiss={onClose}>
      <h2>Share</h2>
      <p class="quiet">
        {isProtected
          ? "Who has this link can read and write. It carries the OTP."
          : "Who has this link can read and write."}
      </p>
      <div class="share-link">
        <input
          class="field"
          aria-label="Link to this document"
          readOnly
          value={link}
          onFocus={(event) => event.currentTarget.select()}
        />
        <button type="button" class="button button-prime" onClick={() => void copy(link, "Link")}>
          <Icon name="copy" />
          Copy
        </button>
      </div>
      <Guard session={session} />
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  )
}

function Guard({ session }: { readonly session: Session }): VNode {
  const { text } = session
  const [isAsking, setIsAsking] = useState(false)
  const mayChange = text.role === "full" && text.state !== "closed"
  return (
    <label class="row">
      <span class="row-words">
        Ask newcomers for an OTP
        <span class="quiet">
          {text.protected
            ? "A link without it opens nothing. Who is here stays."
            : "Then the address alone opens nothing."}
        </span>
      </span>
      <input
        type="checkbox"
        role="switch"
        class="switch"
        aria-checked={text.protected}
        checked={text.protected}
        disabled={isAsking || !mayChange}
        onChange={async (event) => {
          const wish = event.currentTarget.checked ? "protect" : "unprotect"
          setIsAsking(true)
          await guard(session, wish)
          setIsAsking(false)
        }}
      />
    </label>
  )
}

/** Sets an OTP, or takes it away, and says what came of it. */
export async function guard({ text }: Session, wish: "protect" | "unprotect"): Promise<void> {
  try {
    await text[wish]()
    tell("guard", wish === "protect" ? "Newcomers are asked for the OTP" : "The OTP is gone")
  } catch (refused) {
    tell("guard", `Nothing was changed: ${refused instanceof Error ? refused.message : "refused"}`)
  }
}

interface AskProps {
  readonly address: Address
  readonly onOtp: (otp: string) => void
  /** Opens a new document instead. */
  readonly onNew: () => void
}

/** Asks for the OTP, which was missing or wrong. Stays until one is given, or something else opened. */
export function AskForOtp({ address, onOtp, onNew }: AskProps): VNode {
  const [otp, setOtp] = useState("")
  const given = otp.trim()
  return (
    <Dialog label="This document asks for an OTP" class="sheet ask">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (given !== "") onOtp(given)
        }}
      >
        <span class="ask-sign">
          <Icon name="lock" />
        </span>
        <h2>This document asks for an OTP</h2>
        <p class="quiet" id="ask-why">
          {address.otp === undefined
            ? "Who sent you here has it: twelve characters."
            : "The OTP in the address is not the right one. It may have been changed."}
        </p>
        <input
          class="field field-code"
          aria-label="OTP"
          aria-describedby="ask-why"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          autoFocus
          value={otp}
          onInput={(event) => setOtp(event.currentTarget.value)}
        />
        <footer class="sheet-foot">
          <button type="button" class="button" onClick={onNew}>
            New document instead
          </button>
          <button type="submit" class="button button-prime" disabled={given === ""}>
            Open
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
