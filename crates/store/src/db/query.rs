//! Queries that are run together: on PostgreSQL as one statement.
//!
//! Each statement that a PostgreSQL session runs costs it a system call and a good part of a short query's time, however many
//! are sent at once, and the client the same again. So queries whose rows belong to the same parents become branches of one
//! `UNION ALL`.

use super::Dialect;
use std::fmt::Write as _;

/// A query of fixed text for the rows of some parents. Its first column is the parent's id.
#[derive(Debug)]
pub struct Query {
    /// The text, up to the column that is to be among the parents' ids.
    pub sql: &'static str,
    /// The types of its columns.
    pub columns: &'static [Kind],
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

const KINDS: [(Kind, &str); 4] =
    [(Kind::Text, "text"), (Kind::Int, "int8"), (Kind::Float, "float8"), (Kind::Bool, "bool")];

/// Queries as one statement for PostgreSQL. Column 0 is the number of the query; then there are as many columns of each type as
/// the query that has most of them, and `places` says for each query where its own are.
pub(super) struct Union {
    pub sql: String,
    pub places: Vec<Vec<usize>>,
}

impl Union {
    pub fn of(queries: &[&Query]) -> Self {
        let most =
            KINDS.map(|(kind, _)| queries.iter().map(|query| count(query, kind)).max().unwrap_or_default());
        let mut sql = String::new();
        let mut places = Vec::new();
        for (number, query) in queries.iter().enumerate() {
            let mut own = vec![0; query.columns.len()];
            let before = if number == 0 { "" } else { " UNION ALL " };
            // Writing to a string cannot fail.
            let _ = write!(sql, "{before}SELECT {number}");
            let mut place = 1;
            for ((kind, name), most) in KINDS.iter().zip(most) {
                let mut columns = (0..query.columns.len()).filter(|column| query.columns[*column] == *kind);
                for _ in 0..most {
                    let _ = match columns.next() {
                        Some(column) => {
                            own[column] = place;
                            write!(sql, ", q.c{column}::{name}")
                        }
                        None => write!(sql, ", NULL::{name}"),
                    };
                    place += 1;
                }
            }
            let _ = write!(sql, " FROM ({}", Dialect::Postgres.in_texts(query.sql, 1, ""));
            for column in 0..query.columns.len() {
                let _ = write!(sql, "{}c{column}", if column == 0 { ") AS q (" } else { ", " });
            }
            sql.push(')');
            places.push(own);
        }
        Self { sql, places }
    }
}

fn count(query: &Query, kind: Kind) -> usize {
    query.columns.iter().filter(|column| **column == kind).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_place_of_its_type() {
        let tags = Query { sql: "SELECT run, key FROM tags WHERE run", columns: &[Kind::Text, Kind::Text] };
        let steps = Query { sql: "SELECT run, step FROM steps WHERE run", columns: &[Kind::Text, Kind::Int] };
        let union = Union::of(&[&tags, &steps]);
        assert_eq!(
            union.sql,
            "SELECT 0, q.c0::text, q.c1::text, NULL::int8 FROM (SELECT run, key FROM tags WHERE run = ANY($1::text[]) ) \
             AS q (c0, c1) UNION ALL \
             SELECT 1, q.c0::text, NULL::text, q.c1::int8 FROM (SELECT run, step FROM steps WHERE run = ANY($1::text[]) ) \
             AS q (c0, c1)"
        );
        assert_eq!(union.places, [[1, 2], [1, 3]]);
    }
}
