/**
 * A modal sheet: in the middle, under the button that opened it, or, on a phone, at the foot.
 *
 * The browser's own dialog does what is easily done wrong: it keeps the focus inside, makes the
 * rest inert, closes on Escape, and gives the focus back. Shown while its component is; who closes
 * it stops drawing it. One that belongs to a panel steps aside while another panel is open: "back"
 * leads there, and the page must not be inert under a sheet that nobody sees.
 */
import type { ComponentChildren, VNode } from "preact"
import { useLayoutEffect, useRef } from "preact/hooks"
import { openPart } from "./panels.ts"

/** A sheet under a button keeps this far from it and from the edge of the window. */
const gapPx = 6

interface DialogProps {
  /** What a screen reader calls it. */
  readonly label: string
  readonly class?: string
  /** The button it opens under; in the middle without one. */
  readonly under?: Element | undefined
  /** Escape, or a click beside it. Without this it stays. */
  readonly onDismiss?: () => void
  /** It is gone, and the focus is back where it was: the moment for what was chosen in it. */
  readonly onClosed?: () => void
  readonly children: ComponentChildren
}

export function Dialog(props: DialogProps): VNode {
  const { label, under, onDismiss, children } = props
  const ref = useRef<HTMLDialogElement>(null)
  const latest = useRef(props)
  latest.current = props

  useLayoutEffect(() => {
    const dialog = ref.current
    if (dialog === null) return
    dialog.showModal()
    // What is chosen most likely, where that is not what comes first.
    dialog.querySelector<HTMLElement>("[data-first]")?.focus()
    if (under !== undefined) placeUnder(dialog, under)
    const part = dialog.closest(".panel") === null ? undefined : openPart.value
    const forget = openPart.watch(() => {
      if (part === undefined) return
      if (openPart.value !== part) dialog.close()
      else if (!dialog.open) dialog.showModal()
    })
    // The browser itself closes it at a second Escape, whatever was said to the first.
    const stay = (): void => {
      if (dialog.open || (part !== undefined && openPart.value !== part)) return
      if (latest.current.onDismiss === undefined) dialog.showModal()
      else latest.current.onDismiss()
    }
    dialog.addEventListener("close", stay)
    return () => {
      forget()
      dialog.removeEventListener("close", stay)
      dialog.close()
      queueMicrotask(freshenFocus)
      latest.current.onClosed?.()
    }
  }, [])

  return (
    <dialog
      ref={ref}
      class={`dialog ${props.class ?? ""}`}
      data-anchored={under !== undefined}
      aria-label={label}
      onCancel={(event) => {
        // Closing is the owner's: what it draws decides.
        event.preventDefault()
        onDismiss?.()
      }}
      onPointerDown={(event) => {
        const dialog = ref.current
        if (dialog !== null && event.target === dialog && isBeside(event, dialog)) onDismiss?.()
      }}
    >
      {children}
    </dialog>
  )
}

/** Chromium gives a field its focus back while it is inert yet: without a caret, and deaf to keys. */
function freshenFocus(): void {
  const field = document.activeElement
  if (!(field instanceof HTMLTextAreaElement)) return
  field.blur()
  field.focus()
}

/** Below the button, its nearer edges aligned, and within the window. A phone's sheet ignores it. */
function placeUnder(dialog: HTMLDialogElement, button: Element): void {
  const { left, right, bottom } = button.getBoundingClientRect()
  const opensRightwards = left < innerWidth / 2
  dialog.style.setProperty("--top", `${bottom + gapPx}px`)
  dialog.style.setProperty("--left", opensRightwards ? `${Math.max(gapPx, left)}px` : "auto")
  const fromRight = Math.max(gapPx, document.documentElement.clientWidth - right)
  dialog.style.setProperty("--right", opensRightwards ? "auto" : `${fromRight}px`)
}

// The backdrop belongs to the dialog: only where the click was tells them apart.
function isBeside(event: MouseEvent, dialog: Element): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect()
  const { clientX: x, clientY: y } = event
  return x < left || x > right || y < top || y > bottom
}
