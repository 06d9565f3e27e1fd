ALTER TABLE nodes ADD COLUMN drain_deadline_at BIGINT;
ALTER TABLE nodes ADD COLUMN given_up_at BIGINT;
-- a deleted node keeps its row, so that it can be told when it comes back; its name is its identifier then
ALTER TABLE nodes ADD COLUMN deleted_at BIGINT;
-- identity has ended the keys of a node that was given up or deleted
ALTER TABLE nodes ADD COLUMN key_revoked BOOLEAN NOT NULL DEFAULT FALSE;
-- Join tokens that were asked for under a request id; the tokens themselves are nowhere.
CREATE TABLE token_requests (
    -- the team of the operator, or the service
    asker TEXT NOT NULL,
    request_id TEXT NOT NULL,
    ttl_seconds BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (asker, request_id)
);
CREATE INDEX token_requests_expiry ON token_requests (expires_at);
