/** What the page says and draws by itself: pure functions, tested without a browser. */
import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { formatAddress, newDocumentId, parseAddress } from "../web/address.ts"
import { drawHue, drawSelf, initials, isNear } from "../web/documents/names.ts"
import { type Facts, standingOf } from "../web/documents/standing.ts"

const now = 1_700_000_000_000

const calm: Facts = {
  state: "synchronized",
  revision: 128,
  saved: 128,
  durable: true,
  unacknowledged: 0,
  keeping: "kept",
  mayWrite: true,
  isEmptied: false,
  unsavedSince: undefined,
  savedSince: undefined,
  returnsAt: undefined,
  reason: undefined,
  now,
}

/** The whole line, as it is read. */
function line(facts: Partial<Facts>): string {
  const { words, wait } = standingOf({ ...calm, ...facts })
  return wait === undefined ? words : `${words} ${wait}`
}

test("DC120 an address says its document and OTP, and is read back as it was written", () => {
  const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 128 })
  const otp = fc.option(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }), {
    nil: undefined,
  })
  fc.assert(
    fc.property(id, otp, (id, otp) => {
      // What a browser makes of a hash before a page sees it.
      const { hash } = new URL(formatAddress({ id, otp }), "http://127.0.0.1/")
      assert.deepEqual(parseAddress(hash), { id, otp })
    }),
  )
})

test("DC120 an address typed by hand is taken as it is meant", () => {
  assert.deepEqual(parseAddress("#notes"), { id: "notes", otp: undefined })
  assert.deepEqual(parseAddress("#notes?otp="), { id: "notes", otp: undefined })
  assert.deepEqual(parseAddress("#50%"), { id: "50%", otp: undefined })
  assert.deepEqual(parseAddress("#a/b?otp=x_-1"), { id: "a/b", otp: "x_-1" })
  assert.equal(parseAddress(""), undefined)
  assert.equal(parseAddress("#"), undefined)
})

test("DC120 a fresh id has 8 letters and digits, and is another each time", () => {
  const ids = Array.from({ length: 1_000 }, newDocumentId)
  for (const id of ids) assert.match(id, /^[A-Za-z0-9]{8}$/)
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(new Set(ids.join("")).size, 62, "every letter and digit comes up")
})

test("DC124 newcomers are Anonymous and an animal, with a hue", () => {
  for (let draw = 0; draw < 100; draw += 1) {
    const { name, hue } = drawSelf()
    assert.match(name, /^Anonymous [A-Z][a-z]+$/)
    assert.ok(Number.isInteger(hue) && hue >= 0 && hue < 360)
  }
})

test("DC124 a hue within 30 degrees of another's is drawn again, else the widest gap is taken", () => {
  const taken = [0, 90, 180, 200]
  for (let draw = 0; draw < 200; draw += 1) {
    const hue = drawHue(taken)
    // Twenty draws in a row may all miss: then it is the middle of the gap from 200 to 360.
    assert.ok(!isNear(hue, taken) || hue === 280, String(hue))
  }
  const everywhere = [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 290, 330]
  assert.equal(drawHue(everywhere), 310)
  assert.equal(drawHue([10]) === 10, false)
  assert.equal(isNear(350, [10]), true)
  assert.equal(isNear(340, [10]), false)
})

test("DC123 initials are the first characters of the first and the last word", () => {
  assert.equal(initials("Ada Lovelace"), "AL")
  assert.equal(initials("grace brewster hopper"), "GH")
  assert.equal(initials("Zoë"), "Z")
  assert.equal(initials("👨‍👩‍👧 family"), "👨‍👩‍👧F")
  assert.equal(initials("  "), "?")
})

test("DC125 the line says what is true, in every state", () => {
  assert.equal(line({ state: "connecting" }), "Connecting")
  assert.equal(line({ state: "connecting", returnsAt: now + 3_200 }), "Reconnecting in 4 s")
  assert.equal(
    line({ state: "connecting", unacknowledged: 2, returnsAt: now + 1_000 }),
    "Offline, 2 changes kept here · again in 1 s",
  )
  assert.equal(line({ revision: 0, saved: 0 }), "Ready")
  assert.equal(line({}), "Saved at revision 128")
  assert.equal(line({ state: "awaiting", unacknowledged: 1, unsavedSince: now - 500 }), "Saving")
  assert.equal(line({ saved: 127, unsavedSince: now - 2_900 }), "Saving")
  assert.equal(line({ saved: 127, unsavedSince: now - 3_000 }), "Waiting to save")
  assert.equal(
    line({ state: "buffering", saved: 127, unacknowledged: 2, unsavedSince: now - 9_000 }),
    "Saving",
  )
  assert.equal(line({ state: "resuming" }), "Reconnecting")
  assert.equal(line({ state: "resuming", returnsAt: now + 900 }), "Reconnecting in 1 s")
  assert.equal(
    line({ state: "resuming", unacknowledged: 1, returnsAt: now + 4_000 }),
    "Offline, 1 change kept here · again in 4 s",
  )
  assert.equal(line({ state: "resuming", unacknowledged: 3 }), "Offline, 3 changes kept here")
  assert.equal(line({ state: "closed", reason: "the document is gone" }), "The document is gone")
  assert.equal(line({ durable: false, saved: 0 }), "In memory only, revision 128")
  assert.equal(line({ mayWrite: false, saved: 127, unsavedSince: now - 9_000 }), "Read-only")
  assert.equal(line({ mayWrite: false, state: "resuming" }), "Reconnecting")
  for (const keeping of ["off", "failed"] as const) {
    const facts = { state: "resuming", unacknowledged: 2, keeping } as const
    assert.equal(line(facts), "Offline, 2 changes only in this tab")
  }
  assert.equal(line({ state: "resuming", isEmptied: true }), "Kept here only")
  assert.equal(
    line({ state: "resuming", isEmptied: true, returnsAt: now + 900 }),
    "Reconnecting in 1 s",
  )
})

test("DC125 the line does not flicker while one types, and never claims more than is saved", () => {
  const typing = { state: "awaiting", revision: 129, unacknowledged: 1 } as const
  assert.equal(line({ ...typing, unsavedSince: now }), "Saving")
  assert.equal(line({ revision: 129, saved: 129, savedSince: now - 399 }), "Saving")
  assert.equal(line({ revision: 129, saved: 129, savedSince: now - 400 }), "Saved at revision 129")
})
