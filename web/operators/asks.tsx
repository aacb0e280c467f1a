/** What is asked before something goes that nothing brings back: the account, or what this tab holds. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import type { Operators } from "../../src/client/operators-shapes.ts"
import { Dialog } from "../dialog.tsx"
import { tell } from "../notices.tsx"

interface DeleteProps {
  readonly operators: Operators
  readonly onDeleted: () => void
  readonly onNo: () => void
}

/** The callsign has to be typed: a click alone deletes nobody. */
export function AskDelete({ operators, onDeleted, onNo }: DeleteProps): VNode {
  const { callsign } = operators
  const [typed, setTyped] = useState("")
  const [isUnderWay, setIsUnderWay] = useState(false)
  const isSure = typed.trim() === callsign
  const remove = async (): Promise<void> => {
    setIsUnderWay(true)
    try {
      await operators.deleteAccount()
      onDeleted()
    } catch {
      tell("delete", "The account is still there: the line was gone. Try again.")
      onNo()
    }
  }
  return (
    <Dialog label={`Delete the account ${callsign}`} class="sheet talk-ask" onDismiss={onNo}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isSure && !isUnderWay) void remove()
        }}
      >
        <h2>Delete the account {callsign}</h2>
        <p class="quiet" id="delete-why">
          Every session of {callsign} is closed, and what waits for it or from it is dropped. Then
          anyone can register the callsign. Type it to go on.
        </p>
        <input
          class="field field-code"
          aria-label={`Type ${callsign}`}
          aria-describedby="delete-why"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          autoFocus
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <footer class="sheet-foot">
          <button type="button" class="button" onClick={onNo}>
            Keep it
          </button>
          <button type="submit" class="button button-prime" disabled={!isSure || isUnderWay}>
            Delete {callsign}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

interface SignOutProps {
  readonly onYes: () => void
  readonly onNo: () => void
}

/** Asked only where something would be lost. */
export function AskSignOut({ onYes, onNo }: SignOutProps): VNode {
  return (
    <Dialog label="Sign out" class="sheet talk-ask" onDismiss={onNo}>
      <h2>Sign out and lose what was not sent?</h2>
      <p class="quiet">
        There are drafts, or messages that have not gone out. They are in this tab only.
      </p>
      <footer class="sheet-foot">
        <button type="button" class="button" data-first onClick={onNo}>
          Stay
        </button>
        <button type="button" class="button button-prime" onClick={onYes}>
          Sign out
        </button>
      </footer>
    </Dialog>
  )
}
