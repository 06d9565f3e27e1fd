-- The trace of the newest wish: what the loops do to fulfil it goes on with it. Empty = none.
ALTER TABLE notebooks ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
