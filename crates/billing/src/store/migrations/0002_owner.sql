-- What one notebook costs is asked for whole lists of them.
CREATE INDEX attempts_by_owner ON attempts (owner_id);
