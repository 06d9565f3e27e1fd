-- The trace that the workload was submitted in: its placement and its node go on with it. Empty = none.
ALTER TABLE workloads ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
