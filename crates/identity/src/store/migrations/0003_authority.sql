CREATE TABLE authorities (
    id TEXT PRIMARY KEY,
    -- as PEM
    certificate TEXT NOT NULL,
    -- as PEM, sealed with the master key for this id
    sealed_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
