/** How the text is shown and with whose keys, as rows of the drawer that one can change. */
import type { VNode } from "preact"
import { type Cell, useCell } from "../cell.ts"
import { Icon } from "../more-icons.tsx"
import {
  fontSize,
  fontSizes,
  keys,
  screen,
  type Theme,
  tabWidth,
  tabWidths,
  theme,
  themes,
  wrap,
} from "../preferences.ts"
import { Segments } from "../segments.tsx"
import { resize, toggleVim, toggleWrap, widenTabs } from "./settings-choices.ts"
import { toggleScreen } from "./settings-screen.ts"

const themeWords: Readonly<Record<Theme, string>> = {
  system: "System",
  light: "Light",
  dark: "Dark",
}
const themeNames = themes.map((one) => [one, themeWords[one]] as const)

/** The rows of the drawer. */
export function SettingsList(): VNode {
  const chosen = useCell(theme)
  return (
    <div class="settings">
      <fieldset class="row">
        <legend class="row-words">Theme</legend>
        <Segments
          name="theme"
          options={themeNames}
          chosen={chosen}
          onChosen={(one) => {
            theme.value = one
          }}
        />
      </fieldset>
      <Stepper
        words="Text size"
        cell={fontSize}
        bounds={fontSizes}
        names={{ less: "Smaller text", more: "Larger text" }}
        onStep={resize}
      />
      <Stepper
        words="Tab width"
        cell={tabWidth}
        bounds={tabWidths}
        names={{ less: "Narrower tabs", more: "Wider tabs" }}
        onStep={widenTabs}
      />
      <Switch words="Wrap long lines" isOn={useCell(wrap) === "on"} onChange={toggleWrap} />
      <Switch words="Vim keys" isOn={useCell(keys) === "vim"} onChange={toggleVim} />
      <Switch words="Full screen" isOn={useCell(screen) === "whole"} onChange={toggleScreen} />
    </div>
  )
}

interface StepperProps {
  readonly words: string
  readonly cell: Cell<number>
  readonly bounds: { readonly least: number; readonly most: number }
  readonly names: { readonly less: string; readonly more: string }
  readonly onStep: (by: number) => void
}

function Stepper({ words, cell, bounds, names, onStep }: StepperProps): VNode {
  const value = useCell(cell)
  const id = `${words.toLowerCase().replace(/\W+/g, "-")}-words`
  return (
    <div class="row">
      <span class="row-words" id={id}>
        {words}
      </span>
      <span class="stepper">
        <button
          type="button"
          class="icon-button"
          aria-label={names.less}
          disabled={value === bounds.least}
          onClick={() => onStep(-1)}
        >
          <Icon name="minus" />
        </button>
        <output aria-labelledby={id}>{value}</output>
        <button
          type="button"
          class="icon-button"
          aria-label={names.more}
          disabled={value === bounds.most}
          onClick={() => onStep(1)}
        >
          <Icon name="plus" />
        </button>
      </span>
    </div>
  )
}

interface SwitchProps {
  readonly words: string
  readonly isOn: boolean
  readonly onChange: () => void
}

function Switch({ words, isOn, onChange }: SwitchProps): VNode {
  return (
    <label class="row">
      <span class="row-words">{words}</span>
      <input
        type="checkbox"
        role="switch"
        class="switch"
        aria-checked={isOn}
        checked={isOn}
        onChange={onChange}
      />
    </label>
  )
}
