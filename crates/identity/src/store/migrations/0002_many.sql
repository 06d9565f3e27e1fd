-- Roles of members in single projects; they count there instead of the role in the team.
CREATE TABLE project_members (
    project_id TEXT NOT NULL REFERENCES projects (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    team_id TEXT NOT NULL REFERENCES teams (id),
    -- 0 = no access
    role INTEGER NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_members_user ON project_members (team_id, user_id);
-- Nodes that were given up or left the list: they never get a key again.
CREATE TABLE revoked_nodes (
    id TEXT PRIMARY KEY,
    revoked_at BIGINT NOT NULL
);
-- Creates that were answered: the same request gets the same answer.
CREATE TABLE requests (
    team_id TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of what was asked, and by whom
    asked TEXT NOT NULL,
    -- what was made
    made TEXT NOT NULL,
    -- the secret that the answer had, sealed for an hour; empty = it had none
    secret_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, method, request_id)
);
CREATE INDEX requests_secrets ON requests (created_at) WHERE secret_sealed <> '';
