/**
 * The share sheet: links with a role, an end and a label, whether an OTP guards the document, and
 * how long it is kept. Loaded when it is first opened.
 *
 * What always holds: who has not the whole document sees of this only the link by which they came;
 * and what cannot be done says why.
 */
import type { VNode } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { useCell, useRedraw } from "../cell.ts"
import { Dialog } from "../dialog.tsx"
import { Segments } from "../segments.tsx"
import { type LinkRole, Links, MakeLink, Problem, useLinks } from "./links.tsx"
import { linkTo, place } from "./place.ts"
import type { Session } from "./session.ts"
import { Keep } from "./share-keep.tsx"
import { LinkCard } from "./share-link.tsx"
import { guard } from "./share-otp.ts"
import { momentOf } from "./share-times.ts"

interface ShareProps {
  readonly session: Session
  readonly under: Element | undefined
  readonly onClose: () => void
}

export function Share({ session, under, onClose }: ShareProps): VNode {
  const redraw = useRedraw()
  const title = useRef<HTMLHeadingElement>(null)
  useEffect(() => session.text.on("access", redraw), [session])
  useEffect(() => session.text.on("state", redraw), [session])
  return (
    <Dialog label="Share this document" class="sheet share" under={under} onDismiss={onClose}>
      <h2 ref={title} tabIndex={-1}>
        Share
      </h2>
      {session.text.role === "full" ? (
        <Whole session={session} onLost={() => title.current?.focus()} />
      ) : (
        <Part session={session} />
      )}
      <footer class="sheet-foot">
        <button type="button" class="button" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  )
}

/** What a link is to give: the document with its id, or a role. */
type Gift = "whole" | LinkRole

const gifts: readonly (readonly [gift: Gift, words: string])[] = [
  ["whole", "Full access"],
  ["edit", "Edit"],
  ["read", "Read only"],
]

interface WholeProps {
  readonly session: Session
  /** What had the focus is gone. */
  readonly onLost: () => void
}

function Whole({ session, onLost }: WholeProps): VNode {
  const { text } = session
  const [gift, setGift] = useState<Gift>("whole")
  const [listing, listAgain] = useLinks(text)
  const isOff = text.state === "closed" || text.state === "connecting" || text.state === "resuming"
  return (
    <>
      <fieldset class="share-gifts">
        <legend class="unseen">What the link gives</legend>
        <Segments name="gift" options={gifts} chosen={gift} onChosen={setGift} />
      </fieldset>
      {gift === "whole" ? (
        <WholeLink session={session} />
      ) : (
        <MakeLink key={gift} text={text} role={gift} isOff={isOff} onMade={listAgain} />
      )}
      {isOff && (
        <p class="share-problem" role="status">
          There is no line to the server: what is below can be changed when it is back.
        </p>
      )}
      <Links
        text={text}
        listing={listing}
        isOff={isOff}
        onRevoked={() => {
          onLost()
          listAgain()
        }}
      />
      <Guard session={session} isOff={isOff} onDone={() => setGift("whole")} />
      <Keep text={text} isOff={isOff} />
    </>
  )
}

function WholeLink({ session }: { readonly session: Session }): VNode {
  const link = linkTo(useCell(place))
  return (
    <>
      <LinkCard link={link} label="Link to this document" />
      <p class="quiet">
        Who has this link can read, write and share.
        {session.text.protected && " It carries the OTP."}
      </p>
    </>
  )
}

/** The sheet of who came by a link. */
function Part({ session }: { readonly session: Session }): VNode {
  const { role, expiresAt } = session.text
  const link = linkTo(useCell(place))
  return (
    <>
      <LinkCard link={link} label="Link to this document" />
      <p class="quiet">
        {role === "read"
          ? "Who has this link can read along and change nothing."
          : "Who has this link can read and write."}
        {expiresAt !== undefined && ` It ends on ${momentOf(expiresAt)}.`} Who shared it with you
        can make others.
      </p>
    </>
  )
}

interface GuardProps {
  readonly session: Session
  readonly isOff: boolean
  /** The link to the document is another now. */
  readonly onDone: () => void
}

function Guard({ session, isOff, onDone }: GuardProps): VNode {
  const { text } = session
  const [isAsking, setIsAsking] = useState(false)
  const [problem, setProblem] = useState("")
  return (
    <section class="share-part">
      <label class="row">
        <span class="row-words">
          Ask newcomers for an OTP
          <span class="quiet">{guardWords(session)}</span>
        </span>
        <input
          type="checkbox"
          role="switch"
          class="switch"
          aria-checked={text.protected}
          checked={text.protected}
          disabled={isAsking || isOff || !text.durable}
          onChange={async (event) => {
            const wish = event.currentTarget.checked ? "protect" : "unprotect"
            setIsAsking(true)
            const refused = await guard(session, wish)
            setProblem(refused ?? "")
            if (refused === undefined) onDone()
            setIsAsking(false)
          }}
        />
      </label>
      <Problem sentence={problem} />
    </section>
  )
}

function guardWords({ text }: Session): string {
  if (!text.durable) {
    return "Not here: this server keeps texts in memory only, and a restart would drop the OTP."
  }
  if (text.protected)
    return "The plain address opens nothing. Who is here stays; made links still work."
  return "Then the plain address opens nothing. Made links work without."
}
