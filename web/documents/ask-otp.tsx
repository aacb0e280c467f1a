/** Asks a newcomer for the OTP of a document. Loaded when one is asked for. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import type { Address } from "../address.ts"
import { Dialog } from "../dialog.tsx"
import { Icon } from "../more-icons.tsx"

interface AskProps {
  readonly address: Address
  /** How many edits wait for it. */
  readonly pending: number
  readonly onOtp: (otp: string) => void
  /** Opens a new document instead. */
  readonly onNew: () => void
}

/** Asks for the OTP, which was missing or wrong. Stays until one is given, or something else opened. */
export function AskForOtp({ address, pending, onOtp, onNew }: AskProps): VNode {
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
          {pending > 0 && " What you typed stays here until then."}
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
