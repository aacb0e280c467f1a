/**
 * The pictures that the page begins with, drawn on a field of 20 by 20 in strokes of 1.5: each is
 * one path, in the colour of the text around it. They say nothing to a screen reader; what they
 * mean stands beside them in words.
 */
import type { VNode } from "preact"

const paths = {
  /** A sheet with lines of which one is being written. */
  documents: "M5 2.75h7.25L15.25 6v11.25H5zM12 3v3.25h3M7.75 9.5h4.5M7.75 13h2.5",
  /** One way and the other. */
  relay: "M3.5 7H16M12.5 3.5L16 7l-3.5 3.5M16.5 13H4M7.5 9.5L4 13l3.5 3.5",
  /** A saying, with a prompt in it. */
  operators: "M3 4h14v10.5H9.5L6 17.25V14.5H3zM6.75 7.5L8.75 9.25L6.75 11M10.5 11.25h2.75",
  /** Water in a pool. */
  pools: "M3 6.5q3.5-3 7 0t7 0M3 11q3.5-3 7 0t7 0M3 15.5q3.5-3 7 0t7 0",
  plus: "M10 4v12M4 10h12",
  commands: "M3 5.5h14M3 10h9M3 14.5h6M14 12l3 2.5-3 2.5",
  light:
    "M10 6.75a3.25 3.25 0 1 1 0 6.5a3.25 3.25 0 1 1 0-6.5M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.35 4.35l1.05 1.05M14.6 14.6l1.05 1.05M15.65 4.35L14.6 5.4M5.4 14.6l-1.05 1.05",
  dark: "M16.25 12.1A6.75 6.75 0 0 1 7.9 3.75a6.75 6.75 0 1 0 8.35 8.35z",
  system: "M3 4.25h14v9H3zM7.5 16.75h5M10 13.25v3.5",
  share: "M10 12.25V3M6.5 6.25L10 2.75l3.5 3.5M4.25 10v7h11.5v-7",
  side: "M3 4h14v12H3zM12.5 4v12",
  down: "M6 8l4 4l4-4",
  close: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  check: "M4.5 10.5l3.5 3.5l7.5-8",
  copy: "M7 7h9.25v9.25H7zM4 13V3.75h9.25",
  pencil: "M4 16l.75-3.25l8.5-8.5l2.5 2.5l-8.5 8.5zM11.5 6l2.5 2.5",
  follow:
    "M2.5 10s2.75-4.75 7.5-4.75S17.5 10 17.5 10s-2.75 4.75-7.5 4.75S2.5 10 2.5 10zM10 8a2 2 0 1 1 0 4a2 2 0 1 1 0-4",
  code: "M7 6l-4 4l4 4M13 6l4 4l-4 4",
  folder: "M2.75 5h4.75l1.75 2h8v9.25H2.75zM2.75 9.5h14.5",
  /** Into a tray. */
  drop: "M10 3.5v9M6.5 9l3.5 3.5L13.5 9M3.5 12.5V16.5h13V12.5",
  /** A book that lies open. */
  preview:
    "M10 5.75C8 4.25 5.5 4 2.75 4.25V15c2.75-.25 5.25 0 7.25 1.5c2-1.5 4.5-1.75 7.25-1.5V4.25C14.5 4 12 4.25 10 5.75zM10 5.75V16.5",
} as const

/** The name of a picture. */
export type IconName = keyof typeof paths

export function Icon({ name }: { readonly name: IconName }): VNode {
  return <Drawing path={paths[name]} />
}

export function Drawing({ path }: { readonly path: string }): VNode {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={path} />
    </svg>
  )
}

/** The mark: four strokes of different length side by side, one for each part. */
export function Mark(): VNode {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path class="mark-documents" d="M5 13v11" />
      <path class="mark-relay" d="M12.33 6v17" />
      <path class="mark-operators" d="M19.67 15v11" />
      <path class="mark-pools" d="M27 9v12" />
    </svg>
  )
}
