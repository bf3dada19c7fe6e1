//! The differences between the two engines' SQL, all of them.

use crate::uri::DatabaseUri;
use api::error::invalid;
use regex_lite::Regex;

/// Which engine a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// What the database at this address speaks.
    pub fn of(uri: &DatabaseUri) -> Self {
        match uri {
            DatabaseUri::Postgres(_) => Self::Postgres,
            DatabaseUri::Sqlite(_) => Self::Sqlite,
        }
    }

    /// `{before} is one of the texts in parameter {n} {after}`: `.. WHERE run_uuid` becomes a whole condition.
    pub fn in_texts(self, before: &'static str, n: usize, after: &'static str) -> String {
        self.in_list(before, n, "text", after)
    }

    /// `{before} is one of the integers in parameter {n} {after}`.
    pub fn in_ints(self, before: &'static str, n: usize, after: &'static str) -> String {
        self.in_list(before, n, "int8", after)
    }

    fn in_list(self, before: &'static str, n: usize, ty: &'static str, after: &'static str) -> String {
        let (open, close) = self.is_among();
        // PostgreSQL does not guess the element type of an array parameter.
        let cast = match self {
            Self::Postgres => format!("::{ty}[]"),
            Self::Sqlite => String::new(),
        };
        format!("{before}{open}${n}{cast}{close} {after}")
    }

    /// `{before} is one of the pairs in parameter {n} {after}`, each a text and an integer, written as JSON (`["a", 1]`).
    pub fn in_pairs(self, before: &'static str, n: usize, after: &'static str) -> String {
        match self {
            Self::Postgres => format!(
                "{before} IN (SELECT p::json->>0, (p::json->>1)::int4 FROM UNNEST(${n}::text[]) AS p) {after}"
            ),
            // With their types, SQLite looks the pairs up in an index by both.
            Self::Sqlite => format!(
                "{before} IN (SELECT CAST(json_extract(value, '$[0]') AS TEXT), CAST(json_extract(value, '$[1]') AS INTEGER) \
                 FROM json_each(${n})) {after}"
            ),
        }
    }

    /// Deletes rows that a condition finds, `n` at the most. PostgreSQL's DELETE has no LIMIT.
    pub fn delete_at_most(self, table: &'static str, condition: &str, n: u64) -> String {
        match self {
            Self::Postgres => format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition} LIMIT {n}))"
            ),
            Self::Sqlite => format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {condition} LIMIT {n})"
            ),
        }
    }

    /// The time in epoch milliseconds, by the database's clock.
    pub fn now_ms(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::int8",
            Self::Sqlite => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        }
    }

    /// A query that locks the rows it finds, and leaves out those that others have locked. On SQLite nobody else writes.
    pub fn skip_locked(self, query: &'static str) -> String {
        match self {
            Self::Postgres => format!("{query} FOR UPDATE SKIP LOCKED"),
            Self::Sqlite => query.to_owned(),
        }
    }

    /// What stands around one list parameter to mean "is among": `column` + before + `$n` + after.
    pub fn is_among(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => (" = ANY(", ")"),
            Self::Sqlite => (" IN (SELECT value FROM json_each(", "))"),
        }
    }

    /// What stands around one list parameter to mean "is not among".
    pub fn is_not_among(self) -> (&'static str, &'static str) {
        match self {
            Self::Postgres => (" <> ALL(", ")"),
            Self::Sqlite => (" NOT IN (SELECT value FROM json_each(", "))"),
        }
    }

    /// What stands around a column and a pattern to mean `LIKE` without case: before, column, between, `$n`, after.
    /// Plain `LIKE` looks at the case on both engines (`PRAGMA case_sensitive_like` on SQLite, as MLflow sets it).
    pub fn like_without_case(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Postgres => ("", " ILIKE ", ""),
            Self::Sqlite => ("LOWER(", ") LIKE LOWER(", ")"),
        }
    }

    /// What stands between a column and a regular expression that is to be found in it. On SQLite it is a function of ours,
    /// which `db/sqlite.rs` adds.
    pub fn matches_regex(self) -> &'static str {
        match self {
            Self::Postgres => " ~ ",
            Self::Sqlite => " REGEXP ",
        }
    }

    /// Refuses a regular expression that the function for SQLite cannot read; PostgreSQL does so itself.
    ///
    /// # Errors
    /// `INVALID_PARAMETER_VALUE`.
    pub fn check_regex(self, pattern: &str) -> api::Result<()> {
        match self {
            Self::Postgres => Ok(()),
            Self::Sqlite => Regex::new(pattern).map(drop).map_err(|error| {
                invalid(format!("RLIKE expects a regular expression: {error}. Use LIKE for a plain text."))
            }),
        }
    }

    /// Whether the planner knows how many rows a value has, and so which of two indexes to take. SQLite does not know
    /// without `ANALYZE`, and prefers the one that covers the statement.
    pub fn keeps_statistics(self) -> bool {
        self == Self::Postgres
    }

    /// Whether writes that wait share a commit without being made one transaction.
    pub fn groups_commits(self) -> bool {
        self == Self::Sqlite
    }

    /// Whether rows go into several tables by one statement ([`super::Tx::insert_if`]).
    pub fn inserts_in_one_statement(self) -> bool {
        self == Self::Postgres
    }

    /// Whether the planner knows nothing of the sizes of what it joins: SQLite has statistics only after `ANALYZE`.
    pub fn plans_without_statistics(self) -> bool {
        self == Self::Sqlite
    }

    /// Whether NULLs come first when an `ORDER BY` does not say: PostgreSQL takes NULL as the largest value, SQLite as the
    /// smallest.
    pub fn nulls_first(self, ascending: bool) -> bool {
        (self == Self::Sqlite) == ascending
    }

    /// Whether a pattern for `LIKE` may end in a backslash; PostgreSQL's escape character must escape something.
    pub fn accepts_pattern(self, pattern: &str) -> bool {
        let backslashes = pattern.len() - pattern.trim_end_matches('\\').len();
        self == Self::Sqlite || backslashes.is_multiple_of(2)
    }
}
