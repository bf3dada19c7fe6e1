//! The differences between the two engines' SQL, all of them.

/// Which engine a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dialect {
    Postgres,
    Sqlite,
}
