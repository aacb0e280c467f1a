/** The Hocuspocus server as its manual starts it: a document in memory, no extensions. */

/** What is used of the package, which is installed only where somebody measures. */
interface Hocuspocus {
  readonly Server: new (options: {
    readonly port: number
    readonly address: string
    readonly quiet: boolean
  }) => { readonly address: { readonly port: number }; listen(): Promise<unknown> }
}

const name: string = "@hocuspocus/server"
const { Server }: Hocuspocus = await import(name)
const server = new Server({ port: 0, address: "127.0.0.1", quiet: true })
await server.listen()
process.stderr.write(
  `${JSON.stringify({ event: "listening", url: `http://127.0.0.1:${server.address.port}/` })}\n`,
)
