-- what copies from it or to it now; NULL = nothing does
ALTER TABLE volumes ADD COLUMN copy_id TEXT;
CREATE INDEX volumes_copy ON volumes (copy_id) WHERE copy_id IS NOT NULL;
-- What the files of volumes were at one moment; they lie on the node of their volume.
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    volume_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- making, ready, failed, deleting, deleted
    state TEXT NOT NULL,
    -- why it could not be made; empty otherwise
    reason TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (volume_id, request_id)
);
CREATE UNIQUE INDEX snapshots_name ON snapshots (volume_id, name) WHERE state IN ('making', 'ready');
CREATE INDEX snapshots_deleting ON snapshots (node_id) WHERE state = 'deleting';
-- What nodes have still to copy: identifiers of volumes and snapshots, which are folders there.
CREATE TABLE copies (
    id TEXT PRIMARY KEY,
    node_id TEXT NOT NULL,
    from_id TEXT NOT NULL,
    to_id TEXT NOT NULL,
    -- what becomes of what lies at to_id; NULL = nothing lies there
    keep_id TEXT
);
CREATE INDEX copies_node ON copies (node_id);
