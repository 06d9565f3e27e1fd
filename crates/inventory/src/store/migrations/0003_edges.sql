CREATE TABLE edges (
    id TEXT PRIMARY KEY,
    -- https://host:port
    relay_address TEXT NOT NULL UNIQUE,
    last_seen_at BIGINT NOT NULL
);
