-- Empty = of no project. NULL = nobody knows: it was written down before this column was there, or its content could not be read.
ALTER TABLE events ADD COLUMN project_id TEXT;
