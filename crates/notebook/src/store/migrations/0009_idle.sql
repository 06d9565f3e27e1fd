-- whether the notebook itself says after what time it is stopped; else idle_timeout_seconds follows the policies
ALTER TABLE notebooks ADD COLUMN idle_own BOOLEAN NOT NULL DEFAULT TRUE;
-- so long before it is warned; 0 = not looked at since this column came
ALTER TABLE notebooks ADD COLUMN idle_warn_seconds BIGINT NOT NULL DEFAULT 0;
-- when and why it will be stopped for being idle, as its users have been warned
ALTER TABLE notebooks ADD COLUMN stops_at BIGINT;
ALTER TABLE notebooks ADD COLUMN stops_because TEXT NOT NULL DEFAULT '';
-- what an hour until then costs, in words, as it was when they were warned; empty = not known
ALTER TABLE notebooks ADD COLUMN stops_costs TEXT NOT NULL DEFAULT '';
-- until when somebody extended it
ALTER TABLE notebooks ADD COLUMN kept_until BIGINT;

-- after what time without activity notebooks are stopped that do not say so themselves
CREATE TABLE idle_policies (
    -- 1 = a project, 2 = a team, 3 = a machine type
    kind INTEGER NOT NULL,
    -- empty for machine types
    team_id TEXT NOT NULL,
    -- the project's identifier or the machine type's name; empty for a team
    name TEXT NOT NULL,
    -- 0 = never
    timeout_seconds BIGINT NOT NULL,
    -- 0 = as usual
    warn_seconds BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (kind, team_id, name)
);
