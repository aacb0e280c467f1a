/**
 * The two builds into dist/page/: the page (`vite build`), and client.js, the SDK as one module
 * (`vite build --mode client`). The first empties the directory, so the second comes after it.
 *
 * All addresses come out relative, so the result works below any path.
 */
import { join } from "node:path"
import { defineConfig, type UserConfig } from "vite"

const root = import.meta.dirname
const outDir = join(root, "dist/page")

/** What every engine of the last two and a half years can run. `light-dark()` needs no translation there. */
const target = ["chrome123", "edge123", "firefox120", "safari17.5"]

const page: UserConfig = {
  root: join(root, "web"),
  base: "./",
  // The policy admits no inline script and no `data:` font: nothing is put into the page itself.
  build: {
    outDir,
    emptyOutDir: true,
    target,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What nearly every grammar runs on comes once, with the list of them.
          groups: [
            { name: "code", test: /node_modules\/@(?:lezer\/lr|codemirror\/autocomplete)\// },
          ],
          includeDependenciesRecursively: false,
        },
      },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
}

const client: UserConfig = {
  root,
  publicDir: false,
  build: {
    outDir,
    emptyOutDir: false,
    target,
    reportCompressedSize: false,
    lib: {
      entry: join(root, "src/client/client.ts"),
      formats: ["es"],
      fileName: () => "client.js",
    },
    // A library keeps its white space unless it is told otherwise; this one goes to browsers as it is.
    rolldownOptions: { output: { minify: true } },
  },
}

export default defineConfig(({ mode }) => (mode === "client" ? client : page))
