/** The bar below the past: the slider with who wrote when, play, the time, and "Restore this". */
import type { VNode } from "preact"
import { useEffect, useMemo, useRef } from "preact/hooks"
import type { Role } from "../../src/client/client.ts"
import { useCell } from "../cell.ts"
import { Icon } from "../more-icons.tsx"
import type { Player } from "./slider-player.ts"
import { stripOf } from "./slider-strip.ts"
import { type Tape, unknownAuthor } from "./slider-tape.ts"
import { whenOf } from "./slider-times.ts"

interface BarProps {
  readonly tape: Tape
  readonly player: Player
  readonly role: Role | undefined
  readonly onRestore: (revision: number) => void
  readonly onClose: () => void
}

export function PastBar({ tape, player, role, onRestore, onClose }: BarProps): VNode {
  const revision = useCell(player.position)
  const isPlaying = useCell(player.isPlaying)
  const { first, last } = tape
  const step = tape.step(revision)
  const author = step && tape.person(step.author)
  const slider = useRef<HTMLInputElement>(null)
  useEffect(() => slider.current?.focus(), [])
  const when = step === undefined ? "The beginning" : whenOf(step.at, Date.now())
  return (
    <div class="past-bar">
      <div class="past-track">
        <Strip tape={tape} last={last} />
        <input
          ref={slider}
          type="range"
          aria-label="Revision"
          aria-valuetext={`${when}, ${author?.name ?? "nobody yet"}, revision ${revision} of ${last}`}
          min={first}
          max={last}
          step="1"
          value={revision}
          disabled={first === last}
          onInput={(event) => player.goTo(event.currentTarget.valueAsNumber)}
        />
      </div>
      <div class="past-acts">
        <button
          type="button"
          class="past-play"
          aria-label={isPlaying ? "Pause" : "Play"}
          data-hint={isPlaying ? "Pause, Space" : "Play, Space"}
          disabled={first === last}
          onClick={() => player.toggle()}
        >
          <Icon name={isPlaying ? "pause" : "play"} />
        </button>
        <p class="past-words">
          <span class="past-when">{when}</span>
          <span class="quiet">
            {author !== undefined && (
              <>
                <span class="past-author hued" style={{ "--hue": author.hue }}>
                  {author.name}
                </span>
                {" · "}
              </>
            )}
            {`revision ${revision} of ${last}`}
          </span>
        </p>
        {role !== "read" && (
          <button
            type="button"
            class="button button-prime"
            disabled={revision === last}
            onClick={() => onRestore(revision)}
          >
            Restore this
          </button>
        )}
        <button
          type="button"
          class="icon-button"
          aria-label="Close the history"
          data-hint="Close, Esc"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
    </div>
  )
}

function Strip({ tape, last }: { readonly tape: Tape; readonly last: number }): VNode {
  const pieces = useMemo(() => stripOf(tape), [tape, last])
  return (
    <div class="past-strip" aria-hidden="true">
      {pieces.map(({ author, changes, isAfterPause }, index) => (
        <span
          key={index}
          class={author === unknownAuthor ? "who-before" : "hued"}
          data-paused={isAfterPause && index > 0}
          style={{ "--hue": tape.person(author).hue, flexGrow: changes }}
        />
      ))}
    </div>
  )
}
