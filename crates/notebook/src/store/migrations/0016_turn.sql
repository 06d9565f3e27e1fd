-- It may be stopped for others, with notice.
ALTER TABLE notebooks ADD COLUMN preemptible BOOLEAN NOT NULL DEFAULT FALSE;
-- Goes before work of the same queue with a lower number, -1,000 to 1,000.
ALTER TABLE notebooks ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
