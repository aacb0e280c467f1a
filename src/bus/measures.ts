/**
 * The figures of the bus, by name.
 *
 * What always holds: they are read only when somebody scrapes them, and are there without Redis
 * too; no channel is a label.
 */
import type { Metrics } from "../metrics.ts"
import type { CountedBus } from "./bus.ts"

/** Registers them. */
export function measureBus(metrics: Metrics, bus: CountedBus): void {
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(`quartet_redis_${name}`, help, read)
  const counter = (name: string, help: string, read: () => number) =>
    metrics.counter(`quartet_redis_${name}_total`, help, read)
  metrics.gauge(
    "quartet_redis_connection_state",
    "1 for the state that the connection to Redis is in",
    () => new Map([[bus.figures.connection, 1]]),
    "state",
  )
  counter("messages_published", "Messages that Redis took", () => bus.figures.published)
  counter("messages_received", "Messages that came from Redis", () => bus.figures.received)
  counter(
    "messages_dropped",
    "Messages that did not fit into the queue, or that Redis may not have taken",
    () => bus.figures.dropped,
  )
  counter(
    "messages_forged",
    "Messages without the right keyed hash, dropped",
    () => bus.figures.forged,
  )
  counter("reconnects", "Times the connections were made anew", () => bus.figures.reconnects)
  gauge(
    "active_subscriptions",
    "Channels of rooms that Redis has confirmed",
    () => bus.figures.subscriptions,
  )
  gauge("queue_messages", "Messages that wait to be sent", () => bus.figures.queuedMessages)
  gauge("queue_bytes", "Bytes that wait to be sent", () => bus.figures.queuedBytes)
  gauge(
    "last_publish_seconds",
    "When Redis last took a message, in seconds since 1970; 0 for never",
    () => bus.figures.lastPublishAt / 1000,
  )
  gauge(
    "last_receive_seconds",
    "When a message last came from Redis, in seconds since 1970; 0 for never",
    () => bus.figures.lastReceiveAt / 1000,
  )
}
