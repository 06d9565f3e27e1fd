-- Wish to keep the files as a snapshot when the notebook has stopped, by the identifier that it is asked for with; empty = none.
ALTER TABLE notebooks ADD COLUMN snapshot_request TEXT NOT NULL DEFAULT '';
-- What that snapshot is called; empty = a name is made up.
ALTER TABLE notebooks ADD COLUMN snapshot_name TEXT NOT NULL DEFAULT '';
