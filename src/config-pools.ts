/** The settings of pools and of their blocks, as the environment says them. */
import type { Reader } from "./config-reader.ts"

/** How pools are served. Problems are noted with the reader. */
export function poolsSettingsOf(read: Reader) {
  const port = read.whole("POOLS_PORT", 45_227, [0, 65_535])
  const isSaid = read.optional("POOLS_AUTH") !== undefined
  const auth = read.oneOf("POOLS_AUTH", ["open", "required"])
  const poolsTlsCa = read.optional("POOLS_TLS_CA")
  const blocksDir = read.text("BLOCKS_DIR", "auto")
  if (poolsTlsCa !== undefined && read.optional("TLS_CERT") === undefined) {
    read.problem("POOLS_TLS_CA: needs TLS_CERT and TLS_KEY beside it")
  }
  const poolsRequireBinding = read.oneOf("POOLS_REQUIRE_BINDING", ["off", "on"]) === "on"
  if (poolsRequireBinding && read.optional("TLS_CERT") === undefined) {
    read.problem("POOLS_REQUIRE_BINDING: needs TLS_CERT and TLS_KEY beside it")
  }
  return {
    poolsRequireBinding,
    blocksGroup: read.optional("BLOCKS_GROUP"),
    blocksDamaged: read.oneOf("BLOCKS_DAMAGED", ["refuse", "leave"]),
    poolsPort: port === 0 ? undefined : port,
    poolsSocket: read.optional("POOLS_SOCKET"),
    poolsAuth: isSaid ? auth : undefined,
    poolsTlsCa,
    blocksDir: blocksDir === "off" ? undefined : blocksDir,
  }
}
