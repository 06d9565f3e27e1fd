-- One free notebook of a team at a time, and one that still stops is one: 1 is "wanted running"; Pending, Provisioned and Running
-- hold a machine or wait for one.
DROP INDEX notebooks_free;
CREATE UNIQUE INDEX notebooks_free ON notebooks (team_id) WHERE free AND deleted_at IS NULL AND (wanted = 1 OR state IN (1, 2, 3));
