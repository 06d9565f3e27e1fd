-- why its files are lost; empty = they are not
ALTER TABLE notebooks ADD COLUMN lost_reason TEXT NOT NULL DEFAULT '';
CREATE INDEX notebooks_volume ON notebooks (volume_id);
