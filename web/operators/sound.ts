/** A short tone for a message that nobody was looking at; off until it is asked for. No file is loaded. */
import { Cell } from "../cell.ts"

const hertz = 660
const seconds = 0.12
const loudness = 0.08

export const sound = new Cell<"on" | "off">("off")

let context: AudioContext | undefined

/** Plays it, if it was asked for. */
export function ring(): void {
  if (sound.value === "off") return
  context ??= new AudioContext()
  const tone = new OscillatorNode(context, { frequency: hertz })
  const gain = new GainNode(context, { gain: loudness })
  // A tone that is cut off clicks.
  gain.gain.exponentialRampToValueAtTime(0.001, context.currentTime + seconds)
  tone.connect(gain).connect(context.destination)
  tone.start()
  tone.stop(context.currentTime + seconds)
}
