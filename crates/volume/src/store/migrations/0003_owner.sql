-- what uses it, such as a notebook; empty = nobody. Until now a volume was made under the identifier of its notebook.
ALTER TABLE volumes ADD COLUMN owner_id TEXT NOT NULL DEFAULT '';
UPDATE volumes SET owner_id = request_id;
-- where kept files come from, in words
ALTER TABLE volumes ADD COLUMN label TEXT NOT NULL DEFAULT '';
