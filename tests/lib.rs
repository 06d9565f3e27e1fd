//! Tests of the house as a whole live in `it/`; there is nothing to use here.
