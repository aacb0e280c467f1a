/** What stands above each view: what it is, its name, and what its maker says of it. */
import type { ComponentChildren, VNode } from "preact"
import { formatPlace, go, type Place } from "./place.ts"

interface HeadProps {
  readonly kind: string
  readonly name: string
  /** "plain" for what is no name. */
  readonly font?: "plain"
  readonly children?: ComponentChildren
}

export function Head({ kind, name, font, children }: HeadProps): VNode {
  return (
    <header class="pane-head">
      <p class="quiet">{kind}</p>
      <h2 data-font={font}>{name}</h2>
      {children !== undefined && <p class="pane-about">{children}</p>}
    </header>
  )
}

interface PartProps {
  readonly title: string
  /** Said at the right of the title, quietly. */
  readonly aside?: ComponentChildren
  readonly children: ComponentChildren
}

export function Part({ title, aside, children }: PartProps): VNode {
  return (
    <section class="pane-part" aria-label={title}>
      <div class="pane-title">
        <h3>{title}</h3>
        {aside !== undefined && <span class="quiet pools-small">{aside}</span>}
      </div>
      {children}
    </section>
  )
}

/** A link to another place in the panel. */
export function To({ at, children }: { readonly at: Place; readonly children: string }): VNode {
  return (
    <a
      class="pools-link"
      href={formatPlace(at)}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return
        event.preventDefault()
        go(at)
      }}
    >
      {children}
    </a>
  )
}

/** An instance, as a link to its app: `resize#2` is one of `resize`. */
export function ToApp({ name, pool }: { readonly name: string; readonly pool: string }): VNode {
  return <To at={{ kind: "app", pool, name: name.split("#")[0] ?? name }}>{name}</To>
}

/** What is chosen is not there, or not any more. */
export function Gone({ kind, name }: { readonly kind: string; readonly name: string }): VNode {
  return (
    <>
      <Head kind={kind} name={name} />
      <p class="quiet pane-part">
        It is not there now, or this page may not see it. It appears here as soon as it is.
      </p>
    </>
  )
}
