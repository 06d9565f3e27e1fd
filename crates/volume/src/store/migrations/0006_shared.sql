-- its team shares it; it is attached to nothing
ALTER TABLE volumes ADD COLUMN shared BOOLEAN NOT NULL DEFAULT FALSE;
-- a team has one at a time
CREATE UNIQUE INDEX volumes_shared ON volumes (team_id) WHERE shared AND state <> 'deleted';
