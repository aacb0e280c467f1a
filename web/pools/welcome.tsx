/** What stands in the panel until a first app comes: what to do, and what will be here then. */
import type { VNode } from "preact"
import { Program } from "./program.tsx"

export function Welcome({ hasToken }: { readonly hasToken: boolean }): VNode {
  return (
    <section class="pools-welcome" aria-labelledby="welcome-title">
      <h2 id="welcome-title">Nobody is here yet</h2>
      <p class="quiet">
        Run this app, and it appears at the left with the trigger that it handles. From then on this
        page shows every call, and calls it too.
      </p>
      <Program hasToken={hasToken} />
    </section>
  )
}
