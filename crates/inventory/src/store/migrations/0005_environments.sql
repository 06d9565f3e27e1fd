-- Environments that teams made. Those that were deleted stay: notebooks start in them by their digest.
CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- An environment that comes with Quire.
    base TEXT NOT NULL,
    -- Such as 3.12; empty = the node's own.
    python_version TEXT NOT NULL,
    -- One a line.
    requirements TEXT NOT NULL,
    -- EnvironmentState of the contract.
    state INTEGER NOT NULL,
    reason TEXT NOT NULL,
    lock TEXT NOT NULL,
    -- SHA-256 of the lock, hexadecimal; empty until there is one.
    digest TEXT NOT NULL,
    packages INTEGER NOT NULL,
    shared BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX environments_name ON environments (team_id, name) WHERE deleted_at IS NULL;
CREATE INDEX environments_digest ON environments (digest);
CREATE INDEX environments_state ON environments (state, created_at);
