-- Who besides the members of its project may open a notebook.
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    notebook_id TEXT NOT NULL REFERENCES notebooks (id),
    -- 1 = view, 2 = use
    access INTEGER NOT NULL,
    -- the person; empty = whoever has the link
    user_id TEXT NOT NULL,
    -- the person's address when it was shared; empty for a link
    email TEXT NOT NULL,
    -- for a person, sealed for this share; empty for a link, which is shown once
    token_sealed TEXT NOT NULL,
    token_sha256 TEXT NOT NULL UNIQUE,
    -- who shared it
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- absent = until it is revoked
    expires_at BIGINT,
    -- of the call that made it; empty = it was never the same as another
    request_id TEXT NOT NULL
);
CREATE INDEX shares_notebook ON shares (notebook_id);
CREATE INDEX shares_user ON shares (user_id) WHERE user_id <> '';
-- A notebook is shared once with one person.
CREATE UNIQUE INDEX shares_once ON shares (notebook_id, user_id) WHERE user_id <> '';
CREATE UNIQUE INDEX shares_request ON shares (notebook_id, request_id) WHERE request_id <> '';
