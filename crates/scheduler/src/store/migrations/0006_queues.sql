-- Queues as operators wrote them down. What is NULL was not given.
CREATE TABLE queues (
    name TEXT PRIMARY KEY,
    -- the queue above; NULL = directly below the whole cluster
    parent TEXT REFERENCES queues (name),
    -- whose work it takes in; both NULL = only what queues below it take in
    team_id TEXT UNIQUE,
    project_id TEXT UNIQUE,
    deserved_milli_gpus BIGINT,
    deserved_milli_cores BIGINT,
    deserved_memory_mib BIGINT,
    limit_milli_gpus BIGINT,
    limit_milli_cores BIGINT,
    limit_memory_mib BIGINT,
    over_quota_weight BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- the number of the change of the queues that it was last written with
    revision BIGINT NOT NULL,
    CHECK (team_id IS NULL OR project_id IS NULL)
);
-- One row: the number of the last change of the queues. Taking the next one locks it, so that each change checks the whole tree.
CREATE TABLE queue_changes (
    id INTEGER PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO queue_changes (id, last) VALUES (1, 0);
