/** What is asked of who comes where apps prove their ids; and what is left when the way is closed. */
import type { VNode } from "preact"
import { useId, useState } from "preact/hooks"
import { Icon } from "../icons.tsx"

interface AskProps {
  readonly problem: string
  readonly onToken: (token: string) => void
}

export function Ask({ problem, onToken }: AskProps): VNode {
  const id = useId()
  const [text, setText] = useState("")
  return (
    <div class="pools-ask">
      <h1>
        <Icon name="pools" />
        Pools
      </h1>
      <p class="quiet">
        This server asks every app to prove who it is, and this page is one. Paste a token that is
        made for it: its sub names an app of its own, since whoever is connected by the same name is
        replaced.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const token = text.trim()
          if (token === "") return
          setText("")
          onToken(token)
        }}
      >
        <label for={id}>Token</label>
        <span class="pools-ask-row">
          <input
            id={id}
            class="field field-code"
            type="password"
            autocomplete="off"
            spellcheck={false}
            aria-describedby={`${id}-note`}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" class="button button-prime">
            Enter
          </button>
        </span>
        <p id={`${id}-note`} class="pools-small" role="status" data-bad={problem !== ""}>
          {problem === ""
            ? "Read lets it look, execute lets it call. Kept until this page is closed, and nowhere else."
            : problem}
        </p>
      </form>
    </div>
  )
}

interface OverProps {
  readonly why: string
  readonly onAgain: () => void
}

export function Over({ why, onAgain }: OverProps): VNode {
  return (
    <div class="pools-ask">
      <h1>
        <Icon name="pools" />
        Pools
      </h1>
      <p role="status">{why}</p>
      <button type="button" class="button button-prime" onClick={onAgain}>
        Try again
      </button>
    </div>
  )
}
