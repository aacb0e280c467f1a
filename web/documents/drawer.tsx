/** The drawer at the right, on a phone a sheet from below: who is here, and how the text is shown. */
import type { VNode } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { useCell } from "../cell.ts"
import { Icon } from "../icons.tsx"
import {
  clampFontSize,
  fontSize,
  fontSizes,
  type Theme,
  theme,
  themes,
  wrap,
} from "../preferences.ts"
import type { Editor } from "./editor.ts"
import { People } from "./people.tsx"
import type { Session } from "./session.ts"

interface DrawerProps {
  readonly session: Session
  readonly editor: Editor | undefined
  readonly onClose: () => void
}

const themeWords: Readonly<Record<Theme, string>> = {
  system: "System",
  light: "Light",
  dark: "Dark",
}

export function Drawer({ session, editor, onClose }: DrawerProps): VNode {
  const close = useRef<HTMLButtonElement>(null)
  useEffect(() => close.current?.focus(), [])
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: Escape and the button do the same */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: see above */}
      <div class="drawer-veil" onClick={onClose} />
      <aside
        class="drawer"
        aria-label="People and settings"
        onKeyDown={(event) => {
          if (event.key === "Escape" && !event.defaultPrevented) onClose()
        }}
      >
        <header class="drawer-head">
          <h2>People</h2>
          <button
            ref={close}
            type="button"
            class="icon-button"
            aria-label="Close"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </header>
        <People session={session} editor={editor} />
        <h2 class="drawer-title">View</h2>
        <ViewSettings />
        <p class="drawer-note quiet">Kept in this browser.</p>
      </aside>
    </>
  )
}

function ViewSettings(): VNode {
  const size = useCell(fontSize)
  const isWrapped = useCell(wrap) === "on"
  const chosen = useCell(theme)
  return (
    <div class="settings">
      <fieldset class="row">
        <legend class="row-words">Theme</legend>
        <span class="segments">
          {themes.map((one) => (
            <label key={one} class="segment">
              <input
                type="radio"
                name="theme"
                class="unseen"
                checked={one === chosen}
                onChange={() => {
                  theme.value = one
                }}
              />
              <span>{themeWords[one]}</span>
            </label>
          ))}
        </span>
      </fieldset>
      <div class="row">
        <span class="row-words" id="size-words">
          Text size
        </span>
        <span class="stepper">
          <SizeButton by={-1} icon="minus" name="Smaller text" isOff={size === fontSizes.least} />
          <output aria-labelledby="size-words">{size}</output>
          <SizeButton by={1} icon="plus" name="Larger text" isOff={size === fontSizes.most} />
        </span>
      </div>
      <label class="row">
        <span class="row-words">Wrap long lines</span>
        <input
          type="checkbox"
          role="switch"
          class="switch"
          aria-checked={isWrapped}
          checked={isWrapped}
          onChange={toggleWrap}
        />
      </label>
    </div>
  )
}

interface SizeButtonProps {
  readonly by: number
  readonly icon: "plus" | "minus"
  readonly name: string
  readonly isOff: boolean
}

function SizeButton({ by, icon, name, isOff }: SizeButtonProps): VNode {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={name}
      disabled={isOff}
      onClick={() => resize(by)}
    >
      <Icon name={icon} />
    </button>
  )
}

/** Makes the text larger by so many px, as far as it goes. */
export function resize(by: number): void {
  fontSize.value = clampFontSize(fontSize.value + by)
}

export function toggleWrap(): void {
  wrap.value = wrap.value === "on" ? "off" : "on"
}
