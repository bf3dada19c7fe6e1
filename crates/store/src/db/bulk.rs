//! Many rows in one go: `UNNEST` on PostgreSQL, one prepared statement run again and again on SQLite.

/// An insert whose rows come as columns.
pub struct Bulk {
    /// `INSERT INTO table (columns)`.
    pub insert: &'static str,
    /// `ON CONFLICT ..`, or nothing.
    pub then: &'static str,
}

/// The values of one column, row by row.
#[expect(missing_docs, reason = "the variants are what they are named")]
pub enum Column {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
    OptTexts(Vec<Option<String>>),
}

impl Column {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bools(v) => v.len(),
            Self::Ints(v) => v.len(),
            Self::Floats(v) => v.len(),
            Self::Texts(v) => v.len(),
            Self::OptTexts(v) => v.len(),
        }
    }

    fn array_type(&self) -> &'static str {
        match self {
            Self::Bools(_) => "bool[]",
            Self::Ints(_) => "int8[]",
            Self::Floats(_) => "float8[]",
            Self::Texts(_) | Self::OptTexts(_) => "text[]",
        }
    }
}

impl Bulk {
    pub(super) fn postgres(&self, columns: &[Column]) -> String {
        let arrays: Vec<_> =
            columns.iter().enumerate().map(|(i, c)| format!("${}::{}", i + 1, c.array_type())).collect();
        format!("{} SELECT * FROM UNNEST({}) {}", self.insert, arrays.join(", "), self.then)
    }

    pub(super) fn sqlite(&self, columns: &[Column]) -> String {
        let values: Vec<_> = (1..=columns.len()).map(|n| format!("${n}")).collect();
        format!("{} VALUES ({}) {}", self.insert, values.join(", "), self.then)
    }
}
