-- What a team makes notebooks from, beside what comes with Quire.
CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- hash of the lock, as a notebook keeps it; empty for an environment that comes with Quire
    environment_digest TEXT NOT NULL,
    -- runs in a shell before Jupyter; empty = nothing
    command TEXT NOT NULL,
    -- of which it was made
    notebook_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- gone from sight; it stays as long as a notebook waits for its files
    deleted_at BIGINT,
    request_id TEXT NOT NULL,
    request_hash TEXT NOT NULL
);
CREATE UNIQUE INDEX templates_name ON templates (team_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX templates_request ON templates (team_id, request_id) WHERE request_id <> '';
CREATE TABLE template_files (
    template_id TEXT NOT NULL REFERENCES templates (id),
    -- in the notebook's files
    path TEXT NOT NULL,
    -- bytes
    size BIGINT NOT NULL,
    executable BOOLEAN NOT NULL,
    -- base 64
    content TEXT NOT NULL,
    PRIMARY KEY (template_id, path)
);
-- Template of the team that it was made from; empty = none, or one that comes with Quire.
ALTER TABLE notebooks ADD COLUMN template_id TEXT NOT NULL DEFAULT '';
-- Workload and generation to which the files of the template were brought.
ALTER TABLE notebooks ADD COLUMN brought TEXT NOT NULL DEFAULT '';
