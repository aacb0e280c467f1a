/** The fields of a form that was made from a schema. */
import type { VNode } from "preact"
import type { Field, Filled } from "./form.ts"

interface FormFieldsProps {
  readonly fields: readonly Field[]
  readonly filled: Filled
  readonly onFilled: (filled: Filled) => void
}

export function FormFields({ fields, filled, onFilled }: FormFieldsProps): VNode {
  return (
    <div class="form-fields">
      {fields.map((field) => (
        <One
          key={field.name}
          field={field}
          value={filled[field.name] ?? ""}
          onValue={(value) => onFilled({ ...filled, [field.name]: value })}
        />
      ))}
    </div>
  )
}

interface OneProps {
  readonly field: Field
  readonly value: string
  readonly onValue: (value: string) => void
}

function One({ field, value, onValue }: OneProps): VNode {
  const { name, kind, hint, isRequired } = field
  const words = kind === "integer" ? "whole number" : kind === "switch" ? "yes or no" : kind
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the field that it is of is drawn by Entry
    <label data-switch={kind === "switch"}>
      <span>
        <span class="form-name">{name}</span>{" "}
        <span class="quiet">
          {words}
          {!isRequired && kind !== "switch" && ", may be left out"}
        </span>
        {hint !== "" && <span class="quiet form-hint">{hint}</span>}
      </span>
      <Entry field={field} value={value} onValue={onValue} />
    </label>
  )
}

function Entry({ field: { kind, choices }, value, onValue }: OneProps): VNode {
  if (kind === "switch") {
    return (
      <input
        type="checkbox"
        role="switch"
        aria-checked={value === "true"}
        class="switch"
        checked={value === "true"}
        onChange={(event) => onValue(event.currentTarget.checked ? "true" : "")}
      />
    )
  }
  if (kind === "choice") {
    return (
      <select class="field" value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        <option value="" />
        {choices.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    )
  }
  return (
    <input
      class="field"
      inputMode={kind === "text" ? "text" : "decimal"}
      spellcheck={false}
      autocomplete="off"
      value={value}
      onInput={(event) => onValue(event.currentTarget.value)}
    />
  )
}
