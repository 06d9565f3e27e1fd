CREATE TABLE events (
    -- in the order of commits: who has read up to a number has all below it
    seq BIGINT PRIMARY KEY,
    -- ce-id: an event is written down once
    id TEXT NOT NULL UNIQUE,
    happened_at BIGINT NOT NULL,
    area TEXT NOT NULL,
    -- full name of the message
    kind TEXT NOT NULL,
    -- empty where there is none
    team_id TEXT NOT NULL,
    object_id TEXT NOT NULL,
    -- 0 = not told
    revision BIGINT NOT NULL,
    summary TEXT NOT NULL,
    -- JSON; empty where the content could not be read
    data TEXT NOT NULL
);
CREATE INDEX events_time ON events (happened_at, seq);
CREATE INDEX events_team ON events (team_id, happened_at, seq);
-- What an event names, what it is about included.
CREATE TABLE mentions (
    object_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (object_id, seq)
);
CREATE INDEX mentions_seq ON mentions (seq);
-- The last number given.
CREATE TABLE numbers (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last BIGINT NOT NULL
);
INSERT INTO numbers (id, last) VALUES (1, 0);
