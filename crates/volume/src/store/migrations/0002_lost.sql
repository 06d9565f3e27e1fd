-- the project's members decide who sees it; empty = made before projects were noted: the whole team's
ALTER TABLE volumes ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
-- why it is lost: a fourth state, beside ready, deleting, deleted
ALTER TABLE volumes ADD COLUMN reason TEXT NOT NULL DEFAULT '';
CREATE INDEX volumes_node ON volumes (node_id) WHERE state IN ('ready', 'deleting');
CREATE INDEX volumes_lost ON volumes (id) WHERE state = 'lost';
-- Nodes that were given up: nothing is attached there any more.
CREATE TABLE lost_nodes (
    id TEXT PRIMARY KEY,
    lost_at BIGINT NOT NULL
);
