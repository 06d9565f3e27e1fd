-- what its users are to know of its files, such as that they are nearly full, as the volume service said last; empty = nothing
ALTER TABLE notebooks ADD COLUMN files_note TEXT NOT NULL DEFAULT '';
