-- Hash of the lock of an environment that a team made: it stays what it is; empty for those that come with Quire.
ALTER TABLE notebooks ADD COLUMN environment_digest TEXT NOT NULL DEFAULT '';
