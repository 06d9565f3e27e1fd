CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    cpu_overcommit BIGINT NOT NULL,
    milli_cores BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    boot_id TEXT NOT NULL,
    -- one protection with its reason a line
    missing_isolation TEXT NOT NULL,
    -- ready, silent
    liveness TEXT NOT NULL,
    -- open, cordoned, draining
    schedulable TEXT NOT NULL,
    last_seen_at BIGINT,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE gpus (
    node_id TEXT NOT NULL REFERENCES nodes (id),
    position BIGINT NOT NULL,
    uuid TEXT NOT NULL,
    model TEXT NOT NULL,
    memory_mib BIGINT NOT NULL,
    PRIMARY KEY (node_id, position)
);
CREATE TABLE join_tokens (
    hash TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- who spent it, in which request, and when
    node_id TEXT REFERENCES nodes (id),
    request_id TEXT,
    spent_at BIGINT
);
CREATE INDEX join_tokens_expiry ON join_tokens (expires_at);
