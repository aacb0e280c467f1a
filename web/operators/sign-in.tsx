/** The way in: callsign and password, the same again for a new callsign, and the way by a terminal. */
import type { VNode } from "preact"
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../icons.tsx"
import type { Account, Credentials, Stage } from "./account.ts"
import { callsignRule, isCallsign } from "./contacts.tsx"
import { Terminal } from "./terminal.tsx"

interface SignInProps {
  readonly account: Account
}

export function SignIn({ account }: SignInProps): VNode {
  const stage = useCell(account.stage)
  const sheet = useRef<HTMLDivElement>(null)
  // The first field that is empty: the callsign stays after a refusal.
  useLayoutEffect(() => {
    const fields = [...(sheet.current?.querySelectorAll("input") ?? [])]
    fields.find(({ value }) => value === "")?.focus()
  }, [stage.state])
  return (
    <div class="way-in">
      <div class="way-in-sheet" ref={sheet}>
        <h1>
          <Icon name="operators" />
          Operators
        </h1>
        <p class="quiet">
          Short messages between callsigns. Nothing is kept but in memory: here until you leave, on
          the server until it is taken.
        </p>
        {stage.state === "again" ? (
          <Register account={account} {...stage} />
        ) : (
          <Enter account={account} stage={stage} />
        )}
      </div>
      <section class="way-in-other" aria-labelledby="terminal-title">
        <h2 id="terminal-title">The same from a terminal</h2>
        <p class="quiet">
          Any terminal is as good as this page. The line with $ signs in; sent twice, it registers a
          new callsign. Nothing answers, until somebody writes.
        </p>
        <Terminal lines={["$ ada correct horse", "$ ada correct horse", "bob are you there"]} />
      </section>
    </div>
  )
}

function Enter({ account, stage }: SignInProps & { readonly stage: Stage }): VNode {
  const isBusy = stage.state === "asking"
  const [typed, setTyped] = useState<Credentials>({
    callsign: "callsign" in stage ? stage.callsign : "",
    password: "",
    invite: "",
  })
  const [own, setOwn] = useState("")
  const told = stage.state === "out" ? stage.problem : ""
  const problem = own === "" ? told : own
  const change = (part: Partial<Credentials>): void => {
    setOwn("")
    setTyped({ ...typed, ...part })
  }
  return (
    <form
      class="way-in-form"
      onSubmit={(event) => {
        event.preventDefault()
        const credentials = {
          ...typed,
          callsign: typed.callsign.trim(),
          invite: typed.invite.trim(),
        }
        if (!isCallsign(credentials.callsign)) return setOwn(callsignRule)
        if (credentials.password === "") return setOwn("A password is needed: any text will do.")
        setTyped({ ...typed, password: "" })
        account.signIn(credentials)
      }}
    >
      <Field
        label="Callsign"
        value={typed.callsign}
        kind="text"
        onValue={(callsign) => change({ callsign })}
      />
      <Field
        label="Password"
        value={typed.password}
        kind="password"
        onValue={(password) => change({ password })}
      />
      <details class="way-in-more">
        <summary>I was invited</summary>
        <Field
          label="Invitation"
          value={typed.invite}
          kind="text"
          onValue={(invite) => change({ invite })}
        />
      </details>
      <button type="submit" class="button button-prime" disabled={isBusy}>
        {isBusy ? "Signing in" : "Sign in"}
      </button>
      {isBusy && (
        <button type="button" class="button" onClick={() => account.signOut()}>
          Stop
        </button>
      )}
      <p class="way-in-note" role="status" data-bad={problem !== ""}>
        {problem !== "" && problem}
        {problem === "" && isBusy && stage.why}
        {problem === "" &&
          !isBusy &&
          "A callsign that nobody has is registered: you are asked first."}
      </p>
    </form>
  )
}

interface RegisterProps extends SignInProps {
  readonly callsign: string
  readonly problem: string
}

function Register({ account, callsign, problem }: RegisterProps): VNode {
  const [password, setPassword] = useState("")
  return (
    <form
      class="way-in-form"
      onSubmit={(event) => {
        event.preventDefault()
        setPassword("")
        account.register(password)
      }}
    >
      <h2>Nobody is called {callsign} yet</h2>
      <p class="quiet">
        Type the password again to register {callsign}. It cannot be changed or recovered: who has
        it is {callsign}.
      </p>
      <Field label="The same password" value={password} kind="password" onValue={setPassword} />
      <button type="submit" class="button button-prime" disabled={password === ""}>
        Register {callsign}
      </button>
      <button type="button" class="button" onClick={() => account.signOut()}>
        Back
      </button>
      <p class="way-in-note" role="status" data-bad={problem !== ""}>
        {problem}
      </p>
    </form>
  )
}

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly kind: "text" | "password"
  readonly onValue: (value: string) => void
}

function Field({ label, value, kind, onValue }: FieldProps): VNode {
  const id = useId()
  return (
    <div class="way-in-field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class={kind === "text" ? "field field-code" : "field"}
        {...(kind === "text" ? ({ type: "text" } as const) : ({ type: "password" } as const))}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </div>
  )
}
