/** What an app offers to handle, and asks to hear, out of the shapes that the schemas allow. */
import type { Written } from "./pools-schemas.ts"
import { type Offer, policies, type TopicOffer } from "./pools-shapes.ts"

/** A pattern, alone or with what goes with it. */
export function topicOf(topic: Written<"subscribe">["topics"][number]): TopicOffer {
  if (typeof topic === "string") return { pattern: topic }
  const { pattern, group, behind, depth } = topic
  return {
    pattern,
    ...(group === undefined ? {} : { group }),
    ...(behind === "conflate" || behind === "disconnect" ? { behind } : {}),
    ...(depth === undefined ? {} : { depth }),
  }
}

/** A trigger, alone or with what goes with it. */
export function offerOf(offer: NonNullable<Written<"handshake">["triggers"]>[number]): Offer {
  if (typeof offer === "string") return { name: offer }
  const { policy: named, ...rest } = offer
  const policy = policies.find((each) => each === named)
  // Without its undefined fields: the schema's optional ones are absent where nothing came.
  const own = Object.fromEntries(
    Object.entries(rest).filter(([field, value]) => value !== undefined && offerFields.has(field)),
  )
  return { ...own, name: offer.name, ...(policy === undefined ? {} : { policy }) }
}

const offerFields = new Set([
  ...["name", "pools", "concurrency", "queue", "weight", "idempotent", "plain", "version"],
  ...["input", "output", "description"],
])
