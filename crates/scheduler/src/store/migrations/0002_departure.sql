-- when what has not left a draining node is stopped
ALTER TABLE nodes ADD COLUMN drain_deadline_at BIGINT;
-- a person gave it up; it never speaks again
ALTER TABLE nodes ADD COLUMN given_up BOOLEAN NOT NULL DEFAULT FALSE;
-- the volume service knows that a node was given up, and has marked what lay there
ALTER TABLE nodes ADD COLUMN files_lost BOOLEAN NOT NULL DEFAULT FALSE;
-- inventory was asked to take it off the list: when it is not there, it has
ALTER TABLE nodes ADD COLUMN leaving BOOLEAN NOT NULL DEFAULT FALSE;
-- it left the list; the row stays for the attempts that ran there
ALTER TABLE nodes ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT FALSE;
-- the node where the files of a workload were first attached; empty = nowhere yet
ALTER TABLE workloads ADD COLUMN files_on TEXT NOT NULL DEFAULT '';
UPDATE workloads SET files_on = COALESCE((SELECT node_id FROM attempts WHERE attempts.workload_id = workloads.id
    AND attempts.generation = workloads.generation), '');
-- how the end is to be told while the attempt is stopping: 5 is "stopped", 3 is "preempted"
ALTER TABLE attempts ADD COLUMN stop_as INTEGER NOT NULL DEFAULT 5;
