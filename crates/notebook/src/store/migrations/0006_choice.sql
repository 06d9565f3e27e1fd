-- wanted to be stopped and started again; only while it is wanted running
ALTER TABLE notebooks ADD COLUMN restart BOOLEAN NOT NULL DEFAULT FALSE;
-- its files stay when it is removed
ALTER TABLE notebooks ADD COLUMN keep_volume BOOLEAN NOT NULL DEFAULT FALSE;
-- when its maximum duration is over; NULL while it does not run, and without a limit
ALTER TABLE notebooks ADD COLUMN run_until BIGINT;
-- Files are those of one notebook at a time.
DROP INDEX notebooks_volume;
CREATE UNIQUE INDEX notebooks_volume ON notebooks (volume_id) WHERE deleted_at IS NULL AND volume_id <> '';
