/** A first app to paste: it handles a trigger and calls it every second, so that all figures move. */
import type { VNode } from "preact"
import { useState } from "preact/hooks"
import { CopyButton } from "../copy-button.tsx"
import { Segments } from "../segments.tsx"

const kinds = ["Node", "Python"] as const

type Kind = (typeof kinds)[number]

const named = kinds.map((kind) => [kind, kind] as const)

/** Where frames are taken unless whoever runs the server chose otherwise. */
const usualPort = 45_227

interface ProgramProps {
  /** Then a program needs one too. It is never written into a program. */
  readonly hasToken: boolean
}

export function Program({ hasToken }: ProgramProps): VNode {
  const [kind, setKind] = useState<Kind>("Node")
  const program = programOf(kind, hasToken)
  return (
    <div class="first-app">
      <fieldset>
        <legend class="unseen">What the app is written in</legend>
        <Segments name="first-app" options={named} chosen={kind} onChosen={setKind} />
      </fieldset>
      <div class="first-app-program">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
        <section tabIndex={0} aria-label={`First app for ${kind}`}>
          <pre>{program}</pre>
        </section>
        <CopyButton label="Copy the app" text={program} what="The app" />
      </div>
      <p class="quiet pools-small">{noteOf(kind, hasToken)}</p>
    </div>
  )
}

function noteOf(kind: Kind, hasToken: boolean): string {
  const token = hasToken ? " Its token has the app's id, greeter, as its sub." : ""
  return kind === "Node"
    ? `Nothing to install: the first line fetches the SDK from this server.${token}`
    : `Port ${usualPort} unless whoever runs the server chose another.${token}`
}

function programOf(kind: Kind, hasToken: boolean): string {
  const address = new URL(".", location.href).href
  if (kind === "Node") {
    return `// curl -O ${address}client-pools.js
// save this as greeter.mjs, then: ${hasToken ? "TOKEN=… " : ""}node greeter.mjs
import { connect } from "./client-pools.js"

const app = await connect("${address}").pools({
  app: "greeter",
  shortCircuit: false, // its own calls go by way of the server${hasToken ? "\n  token: process.env.TOKEN," : ""}
})
await app.handle("greet", ({ name }) => \`Hello, \${name}\`, {
  description: "Greets whoever is named.",
  input: { type: "object", properties: { name: { type: "string" } } },
})
setInterval(() => app.call("greet", { name: "world" }), 1000)
`
  }
  const host = location.hostname
  return `# pip install ./python    (in the folder of the server's sources)
# save this as greeter.py, then: ${hasToken ? "TOKEN=… " : ""}python greeter.py
import time${hasToken ? ", os" : ""}
import quartet

with quartet.connect("tcp://${host}:${usualPort}", app="greeter"${hasToken ? ', token=os.environ["TOKEN"]' : ""}) as app:

    @app.handle("greet", description="Greets whoever is named.")
    def greet(payload, call):
        return f"Hello, {payload['name']}"

    while True:
        app.call("greet", {"name": "world"})
        time.sleep(1)
`
}
