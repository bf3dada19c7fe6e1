//! One row of an answer, the same from either engine.

use crate::error::Result;

/// A row; columns are read by position.
pub enum Row<'a> {
    /// From PostgreSQL.
    Postgres(&'a tokio_postgres::Row),
    /// From SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
}

impl Row<'_> {
    /// A text that is never NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn text(&self, i: usize) -> Result<String> {
        Ok(self.opt_text(i)?.unwrap_or_default())
    }

    /// A text that is never NULL, without a copy.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn str(&self, i: usize) -> Result<&str> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(i)?,
            Self::Sqlite(row) => row.get_ref(i)?.as_str().map_err(rusqlite::Error::from)?,
        })
    }

    /// A text that may be NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn opt_text(&self, i: usize) -> Result<Option<String>> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(i)?,
            Self::Sqlite(row) => row.get(i)?,
        })
    }

    /// An integer of any width that is never NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn int(&self, i: usize) -> Result<i64> {
        Ok(self.opt_int(i)?.unwrap_or_default())
    }

    /// An integer of any width that may be NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn opt_int(&self, i: usize) -> Result<Option<i64>> {
        use tokio_postgres::types::Type;
        Ok(match self {
            Self::Postgres(row) => match *row.columns()[i].type_() {
                Type::INT2 => row.try_get::<_, Option<i16>>(i)?.map(i64::from),
                Type::INT4 => row.try_get::<_, Option<i32>>(i)?.map(i64::from),
                _ => row.try_get(i)?,
            },
            Self::Sqlite(row) => row.get(i)?,
        })
    }

    /// A double that is never NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn float(&self, i: usize) -> Result<f64> {
        Ok(self.opt_float(i)?.unwrap_or_default())
    }

    /// A double that may be NULL.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn opt_float(&self, i: usize) -> Result<Option<f64>> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(i)?,
            Self::Sqlite(row) => row.get(i)?,
        })
    }

    /// A boolean; SQLite keeps it as 0 or 1.
    ///
    /// # Errors
    /// When the column has another type.
    pub fn bool(&self, i: usize) -> Result<bool> {
        Ok(match self {
            Self::Postgres(row) => row.try_get(i)?,
            Self::Sqlite(row) => row.get(i)?,
        })
    }
}
