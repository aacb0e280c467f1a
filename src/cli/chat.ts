/**
 * `quartet chat`: an operator at a terminal, or a program in a pipe.
 *
 * What always holds: the password is asked for without echo, or read from a file or a command; it
 * is in no argument and in no variable of the environment. Nothing is written to a disk.
 */
import { OperatorsSession } from "../client/operators.ts"
import type { OpenLine } from "../client/operators-shapes.ts"
import { openerFor } from "../client/tcp.ts"
import { isCallsign } from "../wire/operators.ts"
import { ClassicTalk } from "./chat-classic.ts"
import { passwordFrom } from "./chat-password.ts"
import { type ExitCode, pipe } from "./chat-pipe.ts"
import { Screen, type ScreenOwner } from "./chat-screen.ts"
import { Talk } from "./chat-talk.ts"
import { type Command, readOptions } from "./command.ts"
import { visible } from "./terminal.ts"

const help = `usage: quartet chat ADDRESS --callsign NAME [options]

Talks to operators. ADDRESS is HOST:PORT, unix:PATH or ws(s)://HOST:PORT.

  --callsign NAME          who you are
  --password-file FILE     the first line of FILE is the password; else it is asked for
  --password-command CMD   the first line that CMD prints is
  --invite TOKEN           registers, by an invitation
  --register               registers a callsign that nobody has, without asking
  --to NAME                talk to NAME first
  --socks HOST:PORT        through a SOCKS proxy, or unix:PATH; *.onion goes through
                           127.0.0.1:9050 unasked
  --classic                for a server that answers nothing
  --no-bell                no sound

In a pipe:
  --send NAME              all of standard input is one message; ends when it was answered
  --wait                   ends when it was taken, or ended otherwise
  --receive                prints what comes, and acknowledges what it has printed
  --count N                ends after N of them
  --json                   an object a line, out and in: {"to":"bob","text":"hello","ref":"r1"}
  --timeout SECONDS        how long the first login may take (30, 150 through a proxy)

Exit code: 0 done, 1 refused, 2 misused, 3 login refused, 4 unreachable, 5 outcome unknown.
At the prompt, /help says more.`

const options = {
  callsign: { type: "string", short: "c" },
  "password-file": { type: "string" },
  "password-command": { type: "string" },
  invite: { type: "string" },
  register: { type: "boolean", default: false },
  to: { type: "string" },
  socks: { type: "string" },
  classic: { type: "boolean", default: false },
  "no-bell": { type: "boolean", default: false },
  send: { type: "string" },
  wait: { type: "boolean", default: false },
  receive: { type: "boolean", default: false },
  count: { type: "string" },
  json: { type: "boolean", default: false },
  timeout: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const

/** What the command line says, once it was found good. */
interface Wanted {
  readonly open: OpenLine
  readonly callsign: string
  readonly password: string | undefined
  readonly invite: string | undefined
  readonly registers: boolean
  readonly to: string | undefined
  readonly bell: boolean
}

export const chat: Command = async (words) => {
  const read = readOptions(words, options)
  if (typeof read === "string") return fail(read, 2)
  const { values } = read
  if (values.help) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const [address, ...more] = read.positionals
  if (address === undefined) return fail("where to? quartet chat ADDRESS --callsign NAME", 2)
  if (more.length > 0) return fail(`what is "${more[0]}" for?`, 2)
  const { callsign, send, to } = values
  if (callsign === undefined) return fail("who are you? --callsign NAME", 2)
  const wrong = [callsign, send, to].find((name) => name !== undefined && !isCallsign(name))
  if (wrong !== undefined) return fail(`nobody can be called "${wrong}"`, 2)
  const numbers = [values.count, values.timeout].filter((each) => each !== undefined)
  if (numbers.some((each) => !/^[1-9]\d{0,5}$/.test(each))) {
    return fail("--count and --timeout are numbers from 1 to 999999", 2)
  }
  try {
    const { socks } = values
    const wanted: Wanted = {
      open: openerFor(address, socks === undefined ? {} : { socks }),
      callsign,
      password: passwordFrom(values),
      invite: values.invite,
      registers: values.register,
      to,
      bell: !values["no-bell"],
    }
    const isPipe = send !== undefined || values.receive || values.json
    if (!isPipe) return await atTerminal(wanted, values.classic ? "classic" : "extended")
    if (values.classic) return fail("--classic is for a terminal: it has no answers to wait for", 2)
    const isFar = socks !== undefined || /\.onion\b/i.test(address)
    return await inPipe(wanted, {
      send,
      until: values.wait ? "ended" : "answered",
      receive: !values.receive ? 0 : values.count === undefined ? undefined : Number(values.count),
      format: values.json ? "json" : "text",
      timeoutMs: 1_000 * Number(values.timeout ?? (isFar ? 150 : 30)),
    })
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown), 2)
  }
}

async function inPipe(
  wanted: Wanted,
  how: Omit<Parameters<typeof pipe>[0], "operators">,
): Promise<ExitCode> {
  const { password, invite, registers } = wanted
  if (password === undefined) {
    return fail("in a pipe the password comes from --password-file or --password-command", 2)
  }
  const register = registers || invite !== undefined
  const operators = new OperatorsSession(wanted.open, {
    callsign: wanted.callsign,
    password: () => password,
    register,
    ...(invite === undefined ? {} : { invite }),
  })
  return pipe({ operators, ...how })
}

async function atTerminal(wanted: Wanted, mode: "classic" | "extended"): Promise<ExitCode> {
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY
  if (!isTerminal) return fail("this is no terminal: use --send, --receive or --json", 2)
  let talk: (Partial<ScreenOwner> & { close?: () => void }) | undefined
  let leave: () => void = () => {}
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const screen = new Screen({
    entered: (text, kind) => talk?.entered?.(text, kind),
    next: () => talk?.next?.(),
    complete: (line) => talk?.complete?.(line) ?? [],
    left: () => leave(),
  })
  const question = `password of ${wanted.callsign}: `
  const password = wanted.password ?? (await screen.ask(question, "secret"))
  if (password === undefined) return 0
  if (mode === "classic") {
    const logins = wanted.registers || wanted.invite !== undefined ? 2 : 1
    const { open, callsign, invite } = wanted
    const classic = new ClassicTalk(screen, { open, callsign, password, logins, invite })
    talk = classic
    await left
    classic.close()
    return 0
  }
  return talkExtended({ screen, wanted, password, left, begin: (each) => (talk = each) })
}

async function talkExtended({
  screen,
  wanted,
  password,
  left,
  begin,
}: {
  readonly screen: Screen
  readonly wanted: Wanted
  readonly password: string
  readonly left: Promise<void>
  readonly begin: (talk: Talk) => void
}): Promise<ExitCode> {
  const { callsign, invite, to, bell } = wanted
  let asked: Promise<boolean> | undefined
  const confirm = async () => {
    const question = `nobody is called ${callsign} yet; the password again, to register: `
    const again = await screen.ask(question, "secret")
    if (again !== password) throw new Error("the two passwords differ: nothing was registered")
    return true
  }
  const operators = new OperatorsSession(wanted.open, {
    callsign,
    password: () => password,
    register: () => {
      if (wanted.registers || wanted.password !== undefined) return wanted.registers
      // Asked once at a time, also if the line is lost meanwhile and the server asks again.
      asked ??= confirm().finally(() => {
        asked = undefined
      })
      return asked
    },
    ...(invite === undefined ? {} : { invite }),
  })
  let code: ExitCode = 0
  let wasIn = false
  operators.onState((state, why) => {
    if (state === "ready") wasIn = true
    if (state !== "closed") return
    if (why !== "closed by this program") {
      screen.print([`-- ${visible(why)}`])
      if (!wasIn) code = 3
    }
    screen.close()
  })
  begin(new Talk(screen, { operators, bell, ...(to === undefined ? {} : { target: to }) }))
  await left
  const unsent = operators.pending().filter(({ state }) => state === "unsent").length
  if (unsent > 0) process.stderr.write(`quartet: ${unsent} of your messages were not sent\n`)
  operators.close()
  return code
}

function fail(sentence: string, exitCode: ExitCode): ExitCode {
  process.stderr.write(`quartet: ${visible(sentence)}\n`)
  return exitCode
}
