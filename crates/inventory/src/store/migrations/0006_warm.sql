-- finished sandboxes that wait there, as the last heartbeat said, as JSON; empty = it does not say
ALTER TABLE nodes ADD COLUMN warm TEXT NOT NULL DEFAULT '';
