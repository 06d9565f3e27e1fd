CREATE TABLE notebooks (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    machine_type TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- the machine type is free of charge
    free BOOLEAN NOT NULL,
    wanted INTEGER NOT NULL,
    -- why it is wanted stopped
    stop_reason TEXT NOT NULL,
    stop_asked BOOLEAN NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL,
    -- counts the starts: part of the workload's request id
    start_number BIGINT NOT NULL,
    volume_id TEXT NOT NULL,
    -- what is asked of the scheduler for the newest start, base 64: written down before it is asked, so that it is asked the same
    -- again; empty before
    launch TEXT NOT NULL,
    workload_id TEXT NOT NULL,
    -- revision of the workload that the state was taken from
    workload_revision BIGINT NOT NULL,
    node_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    token_sealed TEXT NOT NULL,
    token_sha256 TEXT NOT NULL,
    idle_timeout_seconds BIGINT NOT NULL,
    shutdown_timeout_seconds BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    -- hash of what was asked under the request id
    request_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    started_at BIGINT,
    deleted_at BIGINT,
    revision BIGINT NOT NULL,
    -- revision that the route was last written from
    route_revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX notebooks_name ON notebooks (team_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX notebooks_request ON notebooks (team_id, request_id) WHERE request_id <> '';
-- One free notebook of a team at a time: 1 is "wanted running".
CREATE UNIQUE INDEX notebooks_free ON notebooks (team_id) WHERE free AND wanted = 1;
CREATE INDEX notebooks_workload ON notebooks (workload_id);
