//! MLflow's tracking data in PostgreSQL and SQLite: one function per operation, its SQL above it.

pub mod db;
