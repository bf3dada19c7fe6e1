//! The differences between the two engines' SQL, all of them.

/// Which engine a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// `{before} is one of the texts in parameter {n} {after}`: `.. WHERE run_uuid` becomes a whole condition.
    pub fn in_texts(self, before: &'static str, n: usize, after: &'static str) -> String {
        self.in_list(before, n, "text", after)
    }

    /// `{before} is one of the integers in parameter {n} {after}`.
    pub fn in_ints(self, before: &'static str, n: usize, after: &'static str) -> String {
        self.in_list(before, n, "int8", after)
    }

    fn in_list(self, before: &'static str, n: usize, ty: &'static str, after: &'static str) -> String {
        match self {
            Self::Postgres => format!("{before} = ANY(${n}::{ty}[]) {after}"),
            Self::Sqlite => format!("{before} IN (SELECT value FROM json_each(${n})) {after}"),
        }
    }
}
