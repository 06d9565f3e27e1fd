-- how much the files may take, in bytes; 0 = as much as there is, as everything from before quotas
ALTER TABLE volumes ADD COLUMN quota_bytes BIGINT NOT NULL DEFAULT 0;
-- how much they take, as the node measured last
ALTER TABLE volumes ADD COLUMN used_bytes BIGINT NOT NULL DEFAULT 0;
-- what was told of that: room, nearly_full, full
ALTER TABLE volumes ADD COLUMN fill TEXT NOT NULL DEFAULT 'room';
