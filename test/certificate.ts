/** A certificate of its own for tests of TLS, made by openssl where there is one. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Certificate and key as PEM, for 127.0.0.1 and a day; undefined where openssl is missing. */
export function selfSigned(): { readonly cert: string; readonly key: string } | undefined {
  const directory = mkdtempSync(join(tmpdir(), "quartet-tls-"))
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
  const words = ["req", "-x509", ...curve, "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"]
  const { status } = spawnSync("openssl", [...words, ...names, "-keyout", key, "-out", cert])
  try {
    if (status !== 0) return undefined
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
