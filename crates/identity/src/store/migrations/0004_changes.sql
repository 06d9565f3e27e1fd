-- Counts the changes of a team, its members, projects and keys: what events say of them is in this order.
ALTER TABLE teams ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
-- When the role was first given; those of before have the time of their project.
ALTER TABLE project_members ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
UPDATE project_members SET created_at = (SELECT created_at FROM projects WHERE projects.id = project_members.project_id);
