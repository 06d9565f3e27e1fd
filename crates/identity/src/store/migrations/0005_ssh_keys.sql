-- Public keys with which ssh lets a person into notebooks of a team.
CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL REFERENCES teams (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- kind and key as OpenSSH writes them
    public_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (team_id, user_id, fingerprint),
    UNIQUE (team_id, user_id, name)
);
