-- the number of the last change of the node but for placements, in the order of commits: who keeps nodes in memory reads what is newer
ALTER TABLE nodes ADD COLUMN change BIGINT NOT NULL DEFAULT 0;
CREATE INDEX nodes_change ON nodes (change);
-- the number of the change with which inventory's word was taken over last
ALTER TABLE nodes ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
CREATE INDEX nodes_told ON nodes (told);
-- what agents are to be told, and what has not ended
CREATE INDEX attempts_state ON attempts (state) WHERE state <> 5;
