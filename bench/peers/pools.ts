/** Connections of the other products, for the bench of pools: as their manuals name them, no options but addresses. */
import type { Link, Payload } from "../pools-link.ts"

/** What is used of the packages, which are installed only where somebody measures. */
interface NatsMessage {
  json(): Payload
  respond(data: string): boolean
}
interface NatsConnection {
  subscribe(
    subject: string,
    options: { callback: (error: unknown, message: NatsMessage) => void },
  ): void
  request(subject: string, data: string, options: { timeout: number }): Promise<NatsMessage>
  publish(subject: string, data: string): void
  flush(): Promise<void>
}
interface Nats {
  connect(options: { servers: string }): Promise<NatsConnection>
}
interface Broker {
  createService(schema: object): void
  start(): Promise<void>
  call(action: string, payload: object, options: { timeout: number }): Promise<Payload>
  waitForServices(name: string): Promise<unknown>
}
interface Moleculer {
  ServiceBroker: new (options: object) => Broker
}
interface RedisClient {
  connect(): Promise<unknown>
  duplicate(): RedisClient
  subscribe(topic: string, heard: (text: string) => void): Promise<unknown>
  publish(topic: string, text: string): Promise<unknown>
}
interface Redis {
  createClient(options: object): RedisClient
}

/** By name, so that nobody needs the packages to read the rest. */
async function packageOf<T>(name: string): Promise<T> {
  return import(name)
}

export async function natsLink(place: string): Promise<Link> {
  const { connect } = await packageOf<Nats>("@nats-io/transport-node")
  const nats = await connect({ servers: place })
  return {
    async handle(trigger, work) {
      nats.subscribe(trigger, {
        callback(_error, message) {
          const result = work(message.json())
          if (result !== undefined) message.respond(JSON.stringify(result))
        },
      })
      await nats.flush()
    },
    async call(trigger, payload, timeout) {
      const answer = await nats.request(trigger, JSON.stringify(payload), { timeout })
      return answer.json()
    },
    async listen(topic, heard) {
      nats.subscribe(topic, { callback: (_error, message) => heard(message.json()) })
      await nats.flush()
    },
    emit: (topic, payload) => nats.publish(topic, JSON.stringify(payload)),
  }
}

/** A node of Moleculer's. `place` is a NATS, or for TCP the ports of all nodes: `name:port,name:port`. */
export async function moleculerLink(place: string, name: string): Promise<Link> {
  const { ServiceBroker } = (await packageOf<{ default: Moleculer }>("moleculer")).default
  const broker = new ServiceBroker({
    nodeID: name,
    logger: false,
    transporter: place.startsWith("nats://") ? place : tcp(place, name),
  })
  await broker.start()
  return {
    async handle(trigger, work) {
      const never = new Promise(() => {})
      const handler = ({ params }: { params: Payload }) => work(params) ?? never
      broker.createService({ name: trigger, actions: { do: handler } })
      await broker.waitForServices(trigger)
    },
    knows: (trigger) => broker.waitForServices(trigger),
    call: (trigger, payload, timeout) => broker.call(`${trigger}.do`, payload, { timeout }),
    listen: () => Promise.reject(new Error("not measured")),
    emit: () => {},
  }
}

function tcp(place: string, name: string): object {
  const nodes = place.split(",").map((each) => each.split(":"))
  const port = Number(nodes.find(([node]) => node === name)?.[1])
  const urls = nodes.map(([node, at]) => `127.0.0.1:${at}/${node}`)
  return { type: "TCP", options: { udpDiscovery: false, port, urls } }
}

export async function redisLink(place: string): Promise<Link> {
  const { createClient } = await packageOf<Redis>("redis")
  const client = createClient({ socket: { path: place } })
  await client.connect()
  // A connection that listens says nothing else.
  let listener: RedisClient | undefined
  return {
    handle: () => Promise.reject(new Error("Redis calls nobody")),
    call: () => Promise.reject(new Error("Redis calls nobody")),
    async listen(topic, heard) {
      if (listener === undefined) {
        listener = client.duplicate()
        await listener.connect()
      }
      await listener.subscribe(topic, (text) => heard(JSON.parse(text)))
    },
    emit: (topic, payload) => void client.publish(topic, JSON.stringify(payload)),
  }
}
