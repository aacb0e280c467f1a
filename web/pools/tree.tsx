/** What there is, as one tree of links: the server, its apps, and each pool with triggers and blocks. */
import type { VNode } from "preact"
import { Icon, type IconName } from "../more-icons.tsx"
import type { BlockRow } from "./block-rows.ts"
import { pendingOf, type Seen } from "./look.ts"
import { formatPlace, go, type Place } from "./place.ts"
import type { AppRow, TriggerRow } from "./rows.ts"
import { bytes, counted, milliseconds } from "./words.ts"

/** More of one kind are not listed: who has that many looks for them by the filter of the calls. */
const limitRows = 200

interface TreeProps {
  /** The app that this page is. */
  readonly self: string
  readonly seen: Seen
  readonly at: Place
}

export function Tree({ self, seen, at }: TreeProps): VNode {
  const { apps, pools, triggers, blocks } = seen
  const here = formatPlace(at)
  const live = apps.filter(({ instances }) => instances.length > 0)
  const away = apps.filter(({ instances }) => instances.length === 0)
  return (
    <nav class="tree" aria-label="Apps, triggers and blocks" onKeyDown={move}>
      <Row to={{ kind: "all" }} here={here} icon="pools" name="Whole server" />
      <h2>Apps</h2>
      {apps.length === 0 && <p class="quiet tree-none">None yet</p>}
      <ul>
        {[...live, ...away].slice(0, limitRows).map((app) => (
          <li key={app.id}>
            <AppLink app={app} here={here} isSelf={app.id === self} />
          </li>
        ))}
      </ul>
      <More of={apps.length} />
      {pools.map(({ name, members, type }) => {
        const own = triggers.filter(({ pool }) => pool === name)
        const held = blocks.filter(({ pool }) => pool === name)
        return (
          <section key={name} aria-label={`Pool ${name}`}>
            <Row
              to={{ kind: "pool", pool: name }}
              here={here}
              icon={type === "encrypted" ? "lock" : "folder"}
              name={name}
              detail={counted(members, "member")}
              isHead
            />
            <ul>
              {own.slice(0, limitRows).map((trigger) => (
                <li key={trigger.name}>
                  <TriggerLink trigger={trigger} here={here} />
                </li>
              ))}
              {held.slice(0, limitRows).map((block) => (
                <li key={block.id}>
                  <BlockLink block={block} here={here} />
                </li>
              ))}
            </ul>
            <More of={Math.max(own.length, held.length)} />
          </section>
        )
      })}
    </nav>
  )
}

function More({ of }: { readonly of: number }): VNode | null {
  return of > limitRows ? <p class="quiet tree-none">and {of - limitRows} more</p> : null
}

interface LinkProps {
  /** The hash of what is chosen. */
  readonly here: string
}

interface AppLinkProps extends LinkProps {
  readonly app: AppRow
  readonly isSelf: boolean
}

function AppLink({ app, here, isSelf }: AppLinkProps): VNode {
  const { id, pools, instances } = app
  const [first] = instances
  const state = stateOf(app)
  const one = first?.roundTripMs === undefined ? state : milliseconds(first.roundTripMs)
  const words = isSelf ? "this page" : one
  const detail = instances.length > 1 ? `${instances.length} ${state}` : words
  return (
    <Row
      to={{ kind: "app", pool: pools[0] ?? "default", name: id }}
      here={here}
      tone={state}
      name={id}
      detail={detail}
    />
  )
}

function TriggerLink({ trigger, here }: LinkProps & { readonly trigger: TriggerRow }): VNode {
  const { pool, name, handlers, queued } = trigger
  const pending = pendingOf(trigger)
  const words = [
    ...(pending > 0 ? [`${pending} in flight`] : []),
    ...(queued > 0 ? [`${queued} queued`] : []),
  ]
  const idle = handlers.length === 0 ? "nobody" : counted(handlers.length, "handler")
  return (
    <Row
      to={{ kind: "trigger", pool, name }}
      here={here}
      icon="play"
      name={name}
      detail={words.length === 0 ? idle : words.join(", ")}
    />
  )
}

function BlockLink({ block, here }: LinkProps & { readonly block: BlockRow }): VNode {
  const { pool, id, size, ring } = block
  return (
    <Row
      to={{ kind: "block", pool, name: id }}
      here={here}
      icon={ring === undefined ? "beside" : "relay"}
      name={id}
      detail={bytes(size)}
    />
  )
}

interface RowProps extends LinkProps {
  readonly to: Place
  readonly name: string
  readonly detail?: string
  readonly icon?: IconName
  readonly tone?: string
  readonly isHead?: boolean
}

function Row({ to, here, name, detail, icon, tone, isHead }: RowProps): VNode {
  const hash = formatPlace(to)
  return (
    <a
      class="tree-row"
      // The whole server is at the path itself, and a link with nothing behind # scrolls only.
      href={hash === "" ? "./pools" : hash}
      aria-current={hash === here ? "page" : undefined}
      data-head={isHead}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return
        event.preventDefault()
        if (hash !== here) go(to)
      }}
    >
      <span class="tree-sign" data-tone={tone}>
        {icon === undefined ? <span class="dot" /> : <Icon name={icon} />}
      </span>
      <span class="tree-name" title={name}>
        {name}
      </span>
      {detail !== undefined && <span class="tree-detail">{detail}</span>}
    </a>
  )
}

/** How an app is, by the least well of its connections. */
export function stateOf({ instances }: AppRow): "live" | "silent" | "draining" | "away" {
  if (instances.length === 0) return "away"
  if (instances.some(({ state }) => state === "silent")) return "silent"
  return instances.some(({ state }) => state === "draining") ? "draining" : "live"
}

/** Up and down go through the links. */
function move(event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return
  const links = [...event.currentTarget.querySelectorAll("a")]
  const at = links.findIndex((link) => link.matches(":focus"))
  const next = links[at + (event.key === "ArrowDown" ? 1 : -1)]
  if (next === undefined) return
  event.preventDefault()
  next.focus()
}
