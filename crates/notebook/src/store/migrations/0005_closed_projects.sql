-- Projects that are being removed, or were: no notebook is made in them.
CREATE TABLE closed_projects (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL,
    closed_at BIGINT NOT NULL,
    -- identity has removed it
    deleted BOOLEAN NOT NULL
);
CREATE INDEX notebooks_project ON notebooks (project_id) WHERE deleted_at IS NULL;
