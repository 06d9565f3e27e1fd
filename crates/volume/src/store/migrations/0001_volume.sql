CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- where the files lie; NULL before the first attachment
    node_id TEXT,
    -- ready, deleting, deleted
    state TEXT NOT NULL,
    -- who may write; both or none
    attempt_id TEXT,
    generation BIGINT,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (team_id, request_id),
    CHECK ((attempt_id IS NULL) = (generation IS NULL)),
    CHECK (attempt_id IS NULL OR (state = 'ready' AND node_id IS NOT NULL))
);
CREATE INDEX volumes_attempt ON volumes (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX volumes_deleting ON volumes (node_id) WHERE state = 'deleting';
-- Attempts that attach or have ended meet here: who attaches late, after the end was seen, is refused.
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    -- NULL while it may write
    ended_at BIGINT
);
CREATE INDEX attempts_ended ON attempts (ended_at) WHERE ended_at IS NOT NULL;
-- How far the scheduler's changes have been read.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    change BIGINT NOT NULL
);
