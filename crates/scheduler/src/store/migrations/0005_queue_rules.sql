-- what its spec says of its turn and of whether it may be stopped for others: read for all that runs
ALTER TABLE workloads ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workloads ADD COLUMN preemptible BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE workloads ADD COLUMN free BOOLEAN NOT NULL DEFAULT FALSE;
-- when it is told to end, because it makes room, and the workload that it makes room for
ALTER TABLE attempts ADD COLUMN leaves_at BIGINT;
ALTER TABLE attempts ADD COLUMN leaves_for TEXT NOT NULL DEFAULT '';
CREATE INDEX attempts_leaves ON attempts (leaves_at) WHERE leaves_at IS NOT NULL;
-- how its place was chosen, as JSON; empty = placed before this was kept
ALTER TABLE attempts ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
