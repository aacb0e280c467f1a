/** What readConfig promises to whoever sets variables. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { readConfig, variables } from "../src/config.ts"
import { ConfigError } from "../src/config-reader.ts"

test("SV1 an empty environment gives a whole configuration", () => {
  const config = readConfig({})
  assert.equal(config.port, 3030)
  assert.equal(config.host, "127.0.0.1")
  assert.equal(config.sqliteUri, "./data/quartet.db")
  assert.equal(config.expiryDays, 7)
  assert.equal(config.maxDocumentSizeKb, 256)
  assert.ok(Object.isFrozen(config))
})

test("SV1 a database without a name of its own lies in the data directory", () => {
  assert.equal(
    readConfig({ DATA_DIR: "/var/lib/quartet/" }).sqliteUri,
    "/var/lib/quartet/quartet.db",
  )
  assert.equal(readConfig({ SQLITE_URI: ":memory:" }).sqliteUri, ":memory:")
})

test("DC108 SV2 every bad value stops the start, and all are told at once", () => {
  const environment = {
    PORT: "x",
    EXPIRY_DAYS: "-1",
    MAX_DOCUMENT_SIZE_KB: "1e9",
    DOCUMENTS_DIALECT: "rust",
    ALLOWED_ORIGINS: "https://ok.example, pad.example/path",
    TLS_CERT: "/etc/cert.pem",
    DOCUMENTS_COLOUR: "red",
    PARTS: "documents,piano",
    DRAIN_SECONDS: "20",
  }
  assert.throws(
    () => readConfig(environment),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.deepEqual(error.message.split("\n").sort(), [
        'ALLOWED_ORIGINS: "pad.example/path" is not an origin like https://pad.example.org',
        "DOCUMENTS_COLOUR: there is no such setting",
        'DOCUMENTS_DIALECT: "rust" is not one of kolabpad, rustpad',
        "DRAIN_SECONDS: must be less than SHUTDOWN_TIMEOUT_SECONDS",
        'EXPIRY_DAYS: "-1" is not a number from 0.0001 to 36500',
        'MAX_DOCUMENT_SIZE_KB: "1e9" is not a whole number from 1 to 16384',
        'PARTS: "piano" is not one of documents, relay, operators, pools',
        'PORT: "x" is not a whole number from 0 to 65535',
        "TLS_CERT: needs TLS_KEY beside it",
      ])
      return true
    },
  )
})

test("SV2 SV35 the key for tokens is one of three, and long or far away enough", () => {
  const keyOf = (environment: Record<string, string>) => readConfig(environment).tokenKey
  assert.equal(keyOf({}), undefined)
  const secret = "a secret of at least thirty-two bytes"
  assert.deepEqual(keyOf({ JWT_SECRET: secret }), { kind: "secret", secret })
  assert.deepEqual(keyOf({ JWT_PUBLIC_KEY: "key.pem" }), { kind: "file", path: "key.pem" })
  for (const url of ["https://keys.example/jwks", "http://127.0.0.1:8080/jwks"]) {
    assert.deepEqual(keyOf({ JWT_JWKS_URL: url }), { kind: "jwks", url })
  }
  assert.throws(() => keyOf({ JWT_SECRET: "short" }), /has 5 bytes, 32 are the least/)
  assert.throws(() => keyOf({ JWT_JWKS_URL: "http://keys.example" }), /is not an https address/)
  assert.throws(() => keyOf({ JWT_SECRET: secret, JWT_PUBLIC_KEY: "k" }), /set one of them/)
})

test("SV2 no number is read from what only looks like one", () => {
  for (const bad of ["3030x", "0x10", "1e3", " ", "-0", "NaN", "Infinity", "3.5"]) {
    const port = () => readConfig({ PORT: bad }).port
    if (bad.trim() === "") assert.equal(port(), 3030)
    else assert.throws(port, ConfigError, bad)
  }
})

test("SV1 a path in front is read with or without its slashes", () => {
  for (const path of ["/pad", "pad/", "/pad/", "pad"]) {
    assert.equal(readConfig({ BASE_PATH: path }).pathPrefix, "/pad/")
  }
  assert.equal(readConfig({}).pathPrefix, "/")
  assert.throws(() => readConfig({ BASE_PATH: "/../etc" }), ConfigError)
})

test("SV1 each variable is named once", () => {
  assert.equal(new Set(variables).size, variables.length)
})
