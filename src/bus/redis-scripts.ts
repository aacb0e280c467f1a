/**
 * What Redis does in one step for us, and how claims are written there.
 *
 * What always holds: a claim is the text `FENCE:VALUE`; its fence is the time of Redis in
 * microseconds, so that it rises from holder to holder. One that was given up leaves `-FENCE` for
 * a while, since within a script the time of Redis may stand still for a millisecond.
 */
import type { Claim } from "./bus.ts"

/** KEYS: name. ARGV: value, ms. Returns the claim that stands. */
export const claimScript = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) ~= '-' then return held end
local t = redis.call('TIME')
local fence = t[1] * 1000000 + t[2]
if held then fence = math.max(fence, string.sub(held, 2) + 1) end
local claim = string.format('%.0f', fence) .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], claim, 'PX', ARGV[2])
return claim`

/** KEYS: name. ARGV: claim, ms or 0 to give it up. Returns 1 if it stood. */
export const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  local fence = string.match(ARGV[1], '^%d+')
  redis.call('SET', KEYS[1], '-' .. fence, 'PX', 10000)
end
return 1`

/** KEYS: key, name of the claim. ARGV: data, ms, claim. Returns 1 if the claim stood. */
export const putScript = `
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

/**
 * KEYS: name. ARGV: value, ms, "wait" or "seize". Prolongs the claim of `value`; takes a name that is
 * free, or with "seize" one of any other. Returns the claim that stands.
 */
export const turnScript = `
local held = redis.call('GET', KEYS[1])
local stands = held and string.sub(held, 1, 1) ~= '-'
if stands and string.match(held, ':(.*)$') == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return held
end
if stands and ARGV[3] == 'wait' then return held end
local t = redis.call('TIME')
local fence = t[1] * 1000000 + t[2]
if held then fence = math.max(fence, string.match(held, '^-?(%d+)') + 1) end
local claim = string.format('%.0f', fence) .. ':' .. ARGV[1]
redis.call('SET', KEYS[1], claim, 'PX', ARGV[2])
return claim`

/** KEYS: key. ARGV: ms from now on. Returns 1 if there was something. */
export const keepScript = "return redis.call('PEXPIRE', KEYS[1], ARGV[1])"

/** KEYS: key. Returns 1 if there was something. */
export const removeScript = "return redis.call('DEL', KEYS[1])"

/** The claim on `name` that `text` spells. Throws an Error for what is none. */
export function readClaim(name: string, text: string): Claim {
  const colon = text.indexOf(":")
  const fence = Number(text.slice(0, colon))
  if (colon < 1 || !Number.isSafeInteger(fence))
    throw new Error("there is no claim under this name")
  return { name, value: text.slice(colon + 1), fence }
}

/** What Redis has under the name of a claim that stands. */
export function textOf({ fence, value }: Claim): string {
  return `${fence}:${value}`
}
