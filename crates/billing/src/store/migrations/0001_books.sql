-- One row, which whoever writes the books holds: the pen. It also says where the meter is in the scheduler's list of changes,
-- and where the chain of raw inputs ends.
CREATE TABLE books (
    id BIGINT PRIMARY KEY,
    currency TEXT NOT NULL,
    scheduler_change BIGINT NOT NULL,
    inputs BIGINT NOT NULL,
    chain TEXT NOT NULL
);

CREATE TABLE prices (
    machine_type TEXT NOT NULL,
    version BIGINT NOT NULL,
    nanos_per_hour BIGINT NOT NULL CHECK (nanos_per_hour >= 0),
    valid_from BIGINT NOT NULL,
    PRIMARY KEY (machine_type, version)
);

-- What the scheduler said, word by word and for ever.
CREATE TABLE usage_inputs (
    sequence BIGINT PRIMARY KEY,
    attempt_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    machine_type TEXT NOT NULL,
    billable_from BIGINT,
    billable_until BIGINT,
    received_at BIGINT NOT NULL,
    hash TEXT NOT NULL
);

-- What the meter made of it.
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,
    team_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    machine_type TEXT NOT NULL,
    billable_from BIGINT NOT NULL,
    billable_until BIGINT,
    confirmed_until BIGINT NOT NULL,
    unreachable_since BIGINT,
    posted_until BIGINT,
    settled_at BIGINT
);
CREATE INDEX attempts_by_team ON attempts (team_id, billable_from);
CREATE INDEX attempts_unsettled ON attempts (id) WHERE settled_at IS NULL;

-- The running total of each key.
CREATE TABLE charges (
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    dimension TEXT NOT NULL,
    price_version BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (attempt_id, dimension, price_version)
);

-- A charge names its key, a rounding its month.
CREATE TABLE ledger_transactions (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('charge', 'rounding')),
    team_id TEXT NOT NULL,
    attempt_id TEXT REFERENCES attempts (id),
    dimension TEXT,
    price_version BIGINT,
    month TEXT,
    posted_at BIGINT NOT NULL
);

CREATE TABLE ledger_entries (
    transaction_id TEXT NOT NULL REFERENCES ledger_transactions (id),
    account TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (transaction_id, account)
);

-- Months that money was posted into, and what their invoices were rounded by. Closed again after each such posting.
CREATE TABLE team_months (
    team_id TEXT NOT NULL,
    month TEXT NOT NULL,
    rounding BIGINT NOT NULL,
    closed_at BIGINT,
    PRIMARY KEY (team_id, month)
);
CREATE INDEX team_months_open ON team_months (month) WHERE closed_at IS NULL;
