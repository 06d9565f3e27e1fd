-- The notebook whose files it began with; empty = none.
ALTER TABLE notebooks ADD COLUMN forked_from TEXT NOT NULL DEFAULT '';
-- The volume that its own is a copy of, as it was when the notebook was made; empty = none.
ALTER TABLE notebooks ADD COLUMN fork_volume TEXT NOT NULL DEFAULT '';
-- The snapshot of that volume, by its identifier, in place of the files as they are; empty = none.
ALTER TABLE notebooks ADD COLUMN fork_snapshot TEXT NOT NULL DEFAULT '';
