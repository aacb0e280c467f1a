/**
 * Notices at the foot of the page: the answer to something one did, or a problem with what was
 * kept and what to do about it.
 *
 * What always holds: a notice that offers something stays until it is taken or dismissed; one that
 * only tells goes after 4 s, and a newer one about the same subject takes its place.
 */
import type { VNode } from "preact"
import { useEffect } from "preact/hooks"
import { Cell, useCell } from "./cell.ts"
import { Icon } from "./icons.tsx"

/** Long enough to read a short sentence twice. */
const tellingMs = 4_000
/** More than this are not kept: the oldest goes. Twenty refused pastes are looked at by nobody. */
const limitNotices = 20

/** What a notice offers. It is gone once this was chosen. */
export interface Offer {
  readonly label: string
  run(): void
}

/** One notice. */
export interface Notice {
  readonly subject: string
  readonly sentence: string
  /** Something that the notice is about, shown as it is: a text that was refused. */
  readonly text?: string
  readonly offers: readonly Offer[]
}

const notices = new Cell<readonly Notice[]>([])

/** Shows a notice that goes by itself. */
export function tell(subject: string, sentence: string): void {
  show({ subject, sentence, offers: [] })
}

/** Shows a notice that stays until one of its offers is taken. */
export function show(notice: Notice): void {
  const others = notices.value.filter((other) => other.subject !== notice.subject)
  notices.value = [...others, notice].slice(-limitNotices)
}

/** Takes away the notice about `subject`, if there is one. */
export function dismiss(subject: string): void {
  notices.value = notices.value.filter((other) => other.subject !== subject)
}

/** The notices, newest last. A screen reader is told each as it comes. */
export function Notices(): VNode {
  return (
    <div class="notices" role="status" aria-live="polite">
      {useCell(notices).map((notice) => (
        <One key={notice.subject} notice={notice} />
      ))}
    </div>
  )
}

function One({ notice }: { readonly notice: Notice }): VNode {
  const stays = notice.offers.length > 0
  useEffect(() => {
    if (stays) return
    const timer = setTimeout(() => {
      // A newer one about the same may stand here by now, with a time of its own.
      notices.value = notices.value.filter((other) => other !== notice)
    }, tellingMs)
    return () => clearTimeout(timer)
  }, [notice])
  return (
    <div class="notice" data-stays={stays}>
      <p>{notice.sentence}</p>
      {notice.text !== undefined && <pre>{notice.text}</pre>}
      {stays && (
        <div class="notice-offers">
          {notice.offers.map((offer) => (
            <button
              key={offer.label}
              type="button"
              class="button"
              onClick={() => {
                dismiss(notice.subject)
                offer.run()
              }}
            >
              {offer.label}
            </button>
          ))}
        </div>
      )}
      {!stays && (
        <button type="button" class="icon-button" onClick={() => dismiss(notice.subject)}>
          <Icon name="close" />
          <span class="unseen">Dismiss</span>
        </button>
      )}
    </div>
  )
}
