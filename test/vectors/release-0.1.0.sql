-- What release 0.1.0 left in its database when it was killed: a text of two editors and another
-- edit that were only in the journal yet, and a saved text behind a one-time password.
CREATE TABLE quartet_migration (
  owner TEXT PRIMARY KEY, steps INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO quartet_migration VALUES ('documents', 2);
CREATE TABLE document (id TEXT PRIMARY KEY, text TEXT NOT NULL, language TEXT, otp TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP, epoch TEXT DEFAULT '0', revision INTEGER DEFAULT 1, next_user INTEGER DEFAULT 0, accessed_at INTEGER, retention_days INTEGER, authors_floor INTEGER DEFAULT 0);
INSERT INTO document VALUES ('notes', '', 'rust', NULL, '2026-11-21 22:31:27', '2026-11-21 22:31:27', 'csuQHiTO0CCu', 0, 0, 1795300287808, NULL, 0);
INSERT INTO document VALUES ('locked', 'for three', NULL, 'hk3FunUCHoMY', '2026-11-21 22:31:27', '2026-11-21 22:31:27', '-aEjuHR8BTkm', 1, 1, 1795300287840, NULL, 0);
INSERT INTO document VALUES ('tide', '', NULL, NULL, '2026-11-21 22:31:31', '2026-11-21 22:31:31', 'n9rTyzxL8Ewx', 0, 0, 1795300291936, NULL, 0);
CREATE INDEX document_accessed ON document (accessed_at, retention_days);
CREATE TABLE journal (id INTEGER PRIMARY KEY, at INTEGER, entries TEXT);
INSERT INTO journal VALUES (1, 1795300287808, '[["notes","csuQHiTO0CCu",0,0,null,null,["High water at 06:12 🌊\n"]]]');
INSERT INTO journal VALUES (2, 1795300287828, '[["notes","csuQHiTO0CCu",1,1,null,null,[22,"Low water at 12:31\n"]]]');
INSERT INTO journal VALUES (3, 1795300287840, '[["locked","-aEjuHR8BTkm",0,0,null,null,["for three"]]]');
INSERT INTO journal VALUES (4, 1795300291936, '[["tide","n9rTyzxL8Ewx",0,0,null,null,["only in the journal"]]]');
CREATE TABLE history (
    document TEXT, first INTEGER, last INTEGER, at INTEGER, entries TEXT,
    PRIMARY KEY (document, first)
  ) WITHOUT ROWID;
INSERT INTO history VALUES ('locked', 0, 1, 1795300287828, '[[0,1795300287828,["for three"]]]');
CREATE TABLE milestone (
    document TEXT, revision INTEGER, text TEXT, PRIMARY KEY (document, revision)
  );
INSERT INTO milestone VALUES ('locked', 0, '');
CREATE TABLE author (
    document TEXT, client BLOB, user INTEGER, seq INTEGER, name TEXT, hue INTEGER,
    seen_at INTEGER, PRIMARY KEY (document, client)
  ) WITHOUT ROWID;
CREATE INDEX author_seen ON author (seen_at);
CREATE TABLE link (
    hash BLOB PRIMARY KEY, document TEXT, role TEXT, label TEXT, expires_at INTEGER,
    created_at INTEGER
  );
CREATE INDEX link_document ON link (document);
CREATE TABLE documents_state (generation TEXT, clean INTEGER);
INSERT INTO documents_state VALUES ('I6BaFARfBGYl', 0);
