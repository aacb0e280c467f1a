/** A field for a token. What is typed goes to whoever asked, and is kept nowhere here. */
import type { VNode } from "preact"
import { useId, useState } from "preact/hooks"

interface TokenProps {
  readonly label: string
  /** What its button says. */
  readonly act: string
  readonly onToken: (token: string) => void
}

export function TokenField({ label, act, onToken }: TokenProps): VNode {
  const id = useId()
  const [text, setText] = useState("")
  const [problem, setProblem] = useState("")
  const done = (): void => {
    const token = text.trim()
    if (token === "") return setProblem("Paste the token first.")
    // It crosses as a WebSocket subprotocol, or in a header: neither takes more.
    if (!/^[\w.~-]+$/.test(token)) {
      return setProblem("A token has letters, digits, and - _ . ~ only.")
    }
    setProblem("")
    setText("")
    onToken(token)
  }
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault()
        done()
      }}
    >
      <label for={id}>{label}</label>
      <span class="token-row">
        <input
          id={id}
          class="field field-code"
          type="password"
          autocomplete="off"
          spellcheck={false}
          aria-describedby={`${id}-hint`}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="button">
          {act}
        </button>
      </span>
      <span id={`${id}-hint`} class="quiet" role="status">
        {problem === "" ? "Kept until this page is closed, and nowhere else." : problem}
      </span>
    </form>
  )
}
