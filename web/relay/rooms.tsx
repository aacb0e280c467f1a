/** The rooms on this server, for who runs it: on the machine itself, or with an admin's token. */
import type { VNode } from "preact"
import { useCell } from "../cell.ts"
import { figures } from "./figures.ts"
import type { RoomRow } from "./figures-read.ts"
import { TokenField } from "./token-field.tsx"

export function Rooms(): VNode {
  const seen = useCell(figures.rooms)
  return (
    <section class="side-part" aria-labelledby="rooms-title">
      <h2 id="rooms-title">Rooms on this server</h2>
      {seen.state === "listed" ? (
        <Table rooms={seen.rooms} total={seen.total} />
      ) : (
        <>
          <p class="quiet">
            {seen.state === "refused" && seen.sentence !== ""
              ? `The server refused: ${seen.sentence}.`
              : "Whoever runs the server sees its rooms here, by an admin's token."}
          </p>
          <TokenField
            label="Admin's token"
            act="Show"
            onToken={(token) => void figures.admit(token)}
          />
        </>
      )}
    </section>
  )
}

interface TableProps {
  readonly rooms: readonly RoomRow[]
  readonly total: number
}

function Table({ rooms, total }: TableProps): VNode {
  if (rooms.length === 0) {
    return <p class="quiet">No room is open. The first replica that comes opens one.</p>
  }
  return (
    <>
      <table class="rooms">
        <thead>
          <tr>
            <th scope="col">Room</th>
            <th scope="col">State</th>
            <th scope="col" title="Copies of the document that are connected here">
              Replicas
            </th>
            <th scope="col" title="Replicas known to have the content">
              Holders
            </th>
          </tr>
        </thead>
        <tbody>
          {rooms.map(({ name, kind, state, replicas, holders }) => (
            <tr key={`${kind} ${name}`}>
              <th scope="row">
                <span class="room-name" title={name}>
                  {name}
                </span>
                <span class="room-kind">{kind}</span>
              </th>
              <td>{state}</td>
              <td>{replicas}</td>
              <td>{holders}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {total > rooms.length && <p class="quiet side-note">and {total - rooms.length} more</p>}
    </>
  )
}
