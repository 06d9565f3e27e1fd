-- What inventory said of each node, and what of it nobody has. The checks are the last guard against giving anything twice.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    liveness INTEGER NOT NULL,
    schedulable INTEGER NOT NULL,
    total_milli_cores BIGINT NOT NULL,
    total_memory_mib BIGINT NOT NULL,
    total_disk_gib BIGINT NOT NULL,
    free_milli_cores BIGINT NOT NULL CHECK (free_milli_cores >= 0),
    free_memory_mib BIGINT NOT NULL CHECK (free_memory_mib >= 0),
    free_disk_gib BIGINT NOT NULL CHECK (free_disk_gib >= 0),
    revision BIGINT NOT NULL
);
CREATE TABLE devices (
    node_id TEXT NOT NULL REFERENCES nodes (id),
    uuid TEXT NOT NULL,
    model TEXT NOT NULL,
    free_milli BIGINT NOT NULL CHECK (free_milli >= 0),
    PRIMARY KEY (node_id, uuid)
);
CREATE TABLE workloads (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- the wire message, base 64: passed on to the agent as it came
    spec TEXT NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL,
    stop_wanted BOOLEAN NOT NULL,
    retries_left BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (team_id, request_id)
);
CREATE INDEX workloads_state ON workloads (state, id);
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    workload_id TEXT NOT NULL REFERENCES workloads (id),
    generation BIGINT NOT NULL,
    node_id TEXT NOT NULL REFERENCES nodes (id),
    -- GPUs granted, separated by spaces
    gpu_uuids TEXT NOT NULL,
    milli_cores BIGINT NOT NULL,
    memory_mib BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    machine_type TEXT NOT NULL,
    team_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    fault INTEGER NOT NULL,
    reason TEXT NOT NULL,
    state_since BIGINT NOT NULL,
    placed_at BIGINT NOT NULL,
    billable_from BIGINT,
    billable_until BIGINT,
    confirmed_until BIGINT,
    unreachable_since BIGINT,
    run_until BIGINT,
    boot_id TEXT NOT NULL,
    -- highest report that was stored
    sequence BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    -- place in the order of all changes of attempts
    change BIGINT NOT NULL,
    UNIQUE (workload_id, generation)
);
-- At most one open attempt a workload: 5 is the state "ended".
CREATE UNIQUE INDEX attempts_open ON attempts (workload_id) WHERE state <> 5;
CREATE INDEX attempts_node ON attempts (node_id) WHERE state <> 5;
CREATE INDEX attempts_change ON attempts (change);
-- One row: the number of the last change. Taking the next one locks it, so the order of changes is the order of commits.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO changes (id, last) VALUES (1, 0);
