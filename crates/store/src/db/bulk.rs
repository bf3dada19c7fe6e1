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
        self.postgres_where(columns, 1, "")
    }

    /// With parameters from `$first` on, and a condition or none.
    fn postgres_where(&self, columns: &[Column], first: usize, condition: &str) -> String {
        let arrays: Vec<_> =
            columns.iter().enumerate().map(|(i, c)| format!("${}::{}", first + i, c.array_type())).collect();
        format!("{} SELECT * FROM UNNEST({}) {condition} {}", self.insert, arrays.join(", "), self.then)
    }

    pub(super) fn sqlite(&self, columns: &[Column]) -> String {
        let values: Vec<_> = (1..=columns.len()).map(|n| format!("${n}")).collect();
        format!("{} VALUES ({}) {}", self.insert, values.join(", "), self.then)
    }
}

/// One statement for PostgreSQL, which inserts if `query`, of `args` parameters, finds as many rows as the parameter after
/// these says. Then come the columns. Its one row says whether it does, and for each insert how many rows that touched.
pub(super) fn postgres_insert_if(query: &str, args: usize, inserts: &[(&Bulk, &[Column])]) -> String {
    let expected = args + 1;
    let mut sql = format!(
        "WITH may AS MATERIALIZED (SELECT count(*) = ${expected}::int8 AS so FROM ({query}) AS found)"
    );
    let mut row = String::from("SELECT (SELECT so FROM may)");
    let mut first = expected + 1;
    for (n, (bulk, columns)) in inserts.iter().enumerate() {
        if super::is_empty(columns) {
            row += ", 0::int8";
            continue;
        }
        let insert = bulk.postgres_where(columns, first, "WHERE (SELECT so FROM may)");
        sql += &format!(", insert_{n} AS ({insert} RETURNING 1)");
        row += &format!(", (SELECT count(*) FROM insert_{n})");
        first += columns.len();
    }
    sql + " " + &row
}
