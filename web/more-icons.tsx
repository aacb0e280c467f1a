/** All pictures: those of icons.tsx, and those that only parts show that are loaded on use. */
import type { VNode } from "preact"
import { Drawing, Icon as FirstIcon, type IconName as FirstName } from "./icons.tsx"

const paths = {
  /** Two side by side. */
  beside: "M3 4h14v12H3zM10 4v12",
  right: "M8 6l4 4l-4 4",
  up: "M6 12l4-4l4 4",
  lock: "M4.75 9h10.5v7.75H4.75zM7 9V6.25a3 3 0 0 1 6 0V9M10 12v1.75",
  minus: "M5 10h10",
  qr: "M3.75 3.75h4.5v4.5h-4.5zM11.75 3.75h4.5v4.5h-4.5zM3.75 11.75h4.5v4.5h-4.5zM11.75 11.75h1.5M16.25 11.75v1.5M14 14v2.25h2.25",
  /** A clock whose hand goes back. */
  history: "M3.5 4v3.5H7M3.9 7.5A6.75 6.75 0 1 1 3.25 10.4M10 6.5V10l2.5 1.75",
  play: "M6.5 4.25v11.5l9-5.75z",
  pause: "M7 4.5v11M13 4.5v11",
  link: "M8.5 11.5a3 3 0 0 0 4.25 0l3-3a3 3 0 0 0-4.25-4.25l-1 1M11.5 8.5a3 3 0 0 0-4.25 0l-3 3a3 3 0 0 0 4.25 4.25l1-1",
} as const

/** The name of a picture. */
export type IconName = FirstName | keyof typeof paths

export function Icon({ name }: { readonly name: IconName }): VNode {
  return isMore(name) ? <Drawing path={paths[name]} /> : <FirstIcon name={name} />
}

function isMore(name: IconName): name is keyof typeof paths {
  return name in paths
}
