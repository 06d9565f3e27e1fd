-- Git repository that the notebook was made with; empty = none.
ALTER TABLE notebooks ADD COLUMN repository TEXT NOT NULL DEFAULT '';
-- Branch, tag or commit of that; empty = the repository's own choice.
ALTER TABLE notebooks ADD COLUMN repository_ref TEXT NOT NULL DEFAULT '';
-- Template that it was made from; empty = none.
ALTER TABLE notebooks ADD COLUMN template TEXT NOT NULL DEFAULT '';
-- Jupyter answered since: what it was made with is there, and is not brought again, whatever became of it.
ALTER TABLE notebooks ADD COLUMN furnished BOOLEAN NOT NULL DEFAULT FALSE;
