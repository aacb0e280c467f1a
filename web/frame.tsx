/**
 * The frame around every panel: a slim rail at the left, on a phone a bar at the foot, with the
 * parts that run here, what is always at hand, and how the line is. The palette opens from it.
 *
 * What always holds: the rail shows only parts that run and have a panel; each has an address. A
 * panel that was opened once stays, unseen, behind the one that is open: its line, its text and
 * where one was in it are there when one comes back.
 */
import type { ComponentType, VNode } from "preact"
import { useEffect, useLayoutEffect, useRef } from "preact/hooks"
import { Announcements } from "./announcer.tsx"
import { useCell } from "./cell.ts"
import { choicesFor, line, offer, palette } from "./desk.ts"
import { Icon, type IconName, Mark } from "./icons.tsx"
import { keyNames, listenForKey } from "./keys.ts"
import { Notices } from "./notices.tsx"
import { goTo, news, openPart, type Part } from "./panels.ts"
import { Picker } from "./picker.tsx"
import { type Theme, theme, themes } from "./preferences.ts"

/** A part's panel: what the frame must know of it. */
export interface Panel {
  readonly part: Part
  readonly title: string
  readonly icon: IconName
  /** What is open in it, or would be. Relative, as all addresses here are. */
  address(): string
  /** What the rail's plus begins. */
  readonly fresh: { readonly title: string; run(): void } | undefined
  readonly View: ComponentType
}

const themeNames: Readonly<Record<Theme, string>> = {
  system: "Theme of the system",
  light: "Light theme",
  dark: "Dark theme",
}

export function Frame({ panels }: { readonly panels: readonly Panel[] }): VNode {
  const part = useCell(openPart)
  const fresh = useCell(news)
  const open = panels.find((panel) => panel.part === part)
  const opened = useRef(new Set<Part>())
  if (part !== undefined) opened.current.add(part)
  const chosen = useCell(theme)
  const asked = useCell(palette)
  useTheme(chosen)
  useEffect(() => listenForKey("k", togglePalette), [])
  useEffect(() => offer(themeChoices), [])
  return (
    <>
      <nav class="rail" aria-label="Quartet">
        <Mark />
        <ul class="rail-parts">
          {panels.map((panel) => (
            <li key={panel.part}>
              <a
                class="rail-item"
                href={panel.address()}
                data-part={panel.part}
                aria-current={panel === open ? "page" : undefined}
                onClick={(event) => follow(event, panel)}
              >
                <span class="rail-sign">
                  <Icon name={panel.icon} />
                  {fresh.has(panel.part) && <span class="rail-news" />}
                </span>
                <span class="rail-name">{panel.title}</span>
                {fresh.has(panel.part) && <span class="unseen">, something new</span>}
              </a>
            </li>
          ))}
        </ul>
        {open?.fresh !== undefined && (
          <RailButton icon="plus" name="New" hint={open.fresh.title} onClick={open.fresh.run} />
        )}
        <span class="rail-space" />
        <RailButton
          icon="commands"
          name="Commands"
          hint={`Commands, ${keyNames("Mod-k").join(" ")}`}
          onClick={() => {
            palette.value = { query: "" }
          }}
        />
        <RailButton icon={chosen} name="Theme" hint={themeNames[chosen]} onClick={nextTheme} />
        <LineDot />
      </nav>
      {panels
        .filter((panel) => opened.current.has(panel.part))
        .map((panel) => (
          <div key={panel.part} class="panel" data-part={panel.part} inert={panel !== open}>
            <panel.View />
          </div>
        ))}
      <Notices />
      <Announcements />
      {asked !== undefined && (
        <Picker
          label="Commands"
          hint="What would you like to do?"
          choicesFor={choicesFor}
          query={asked.query}
          onClose={() => {
            palette.value = undefined
          }}
        />
      )}
    </>
  )
}

/** Opens a panel in place; with another button, or a key held, the browser opens it elsewhere. */
function follow(event: MouseEvent, { part, address }: Panel): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  goTo(part, address())
}

interface RailButtonProps {
  readonly icon: IconName
  readonly name: string
  readonly hint: string
  readonly onClick: () => void
}

function RailButton({ icon, name, hint, onClick }: RailButtonProps): VNode {
  return (
    <button type="button" class="rail-item" aria-label={hint} data-hint={hint} onClick={onClick}>
      <span class="rail-sign">
        <Icon name={icon} />
      </span>
      <span class="rail-name">{name}</span>
    </button>
  )
}

function LineDot(): VNode {
  const { tone, words } = useCell(line)
  return (
    <span class="rail-line" role="img" aria-label={words} data-hint={words} data-tone={tone}>
      <span class="dot" />
    </span>
  )
}

function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "system"
}

function themeChoices(): ReturnType<typeof choicesFor> {
  return themes.map((one) => ({
    title: themeNames[one],
    words: "colour appearance mode",
    group: "View",
    isChosen: theme.value === one,
    run() {
      theme.value = one
    },
  }))
}

/** The system's theme needs no mark: `light-dark()` follows it. */
function useTheme(chosen: Theme): void {
  useLayoutEffect(() => {
    if (chosen === "system") delete document.documentElement.dataset["theme"]
    else document.documentElement.dataset["theme"] = chosen
  }, [chosen])
}

function togglePalette(): void {
  // A modal dialog is answered first.
  const isFree = document.querySelector("dialog[open]") === null
  palette.value = isFree ? { query: "" } : undefined
}
