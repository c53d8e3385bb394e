-- To whom this database belongs: one row. Two stacks on one database would sweep away each other's files.

CREATE TABLE deployment (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    stage          text NOT NULL,
    bucket         text NOT NULL,
    state_machines text[] NOT NULL,
    claimed_at     timestamptz NOT NULL DEFAULT now()
);
