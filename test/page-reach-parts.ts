/**
 * What a panel for everybody is measured by, whatever it shows: nothing is cut off, and what is
 * touched is large enough. They run in the page; as text, because the tests know no types of a
 * browser. Each gives what is wrong, as HTML.
 */

/** What reaches beyond the window, or makes it scroll sideways. A table may, in a frame of its own. */
export const sideways = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement
  const kinds = "button, input, select, textarea, a, h1, h2, h3, p, table, section, label, li, dd"
  const unseen = ".unseen, .unseen *, .panel[inert] *, .cm-editor *, .pools-scroll *"
  const wide = [...document.querySelectorAll(kinds)].filter((element) => {
    if (element.matches(unseen)) return false
    const { left, right, width } = element.getBoundingClientRect()
    return width > 1 && (left < -0.5 || right > clientWidth + 0.5)
  })
  const shown = wide.map((element) => element.outerHTML.slice(0, 300))
  return [...(scrollWidth > clientWidth ? ["the window"] : []), ...shown]
})()`

/**
 * Buttons and fields that can be seen and are less than 44 px high or wide, as they are hit. Under a
 * dialog or the drawer nothing is hit.
 */
export const tooSmall = `(() => {
  const top = document.querySelector("dialog[open]") ?? document.querySelector(".drawer") ?? document
  const kinds = "button, input, select, textarea, a, summary, [role=option]"
  return [...top.querySelectorAll(kinds)].filter((element) => {
    if (element.matches(".unseen, .panel[inert] *, .cm-editor *")) return false
    const { width, height } = element.getBoundingClientRect()
    const after = getComputedStyle(element, "::after")
    const more = after.content === "none" || after.position !== "absolute" ? 0 : -parseFloat(after.top)
    return width > 0 && (width < 43.5 || height + 2 * (more > 0 ? more : 0) < 43.5)
  }).map((element) => element.outerHTML.slice(0, 200))
})()`
