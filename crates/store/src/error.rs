//! What can go wrong below a handler: something the client may see, or something of the database.

use api::ErrorCode;

/// Shorthand for results of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a store function.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fit for the client as it is.
    #[error("{0}")]
    Api(#[from] api::Error),
    /// A rule of the schema refused a row.
    #[error("{message}")]
    Constraint {
        /// Which kind of rule.
        kind: Constraint,
        /// The database's words, without the row's values.
        message: String,
    },
    /// The database cannot be reached, is locked, or has no free connection: trying again may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another transaction was in the way, and PostgreSQL has undone this one (40001, 40P01): the same again may work.
    #[error("other transactions were in the way: {0}")]
    Conflict(String),
    /// The connection is of no use any more: it broke, or its server ends it or has become a standby.
    #[error("the connection to the database was lost: {0}")]
    Disconnected(String),
    /// Anything else the database says. Logged, never shown to a client.
    #[error("database error: {0}")]
    Database(String),
}

/// The kinds of schema rules a row can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// A primary key or unique index.
    Unique,
    /// A reference to a row that is not there.
    ForeignKey,
    /// Anything else: NOT NULL, CHECK, a column's length.
    Other,
}

impl Error {
    /// Whether a unique rule refused the row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Constraint { kind: Constraint::Unique, .. })
    }

    /// What the client gets to see. Only [`Error::Database`] is hidden behind a general sentence.
    pub fn into_api(self) -> api::Error {
        match self {
            Self::Api(error) => error,
            // MLflow answers BAD_REQUEST with the whole failed statement; the rule's name is enough.
            Self::Constraint { message, .. } => api::Error::new(ErrorCode::BadRequest, message),
            Self::Unavailable(_) | Self::Conflict(_) | Self::Disconnected(_) => api::Error::new(
                ErrorCode::TemporarilyUnavailable,
                "The database is temporarily unavailable. Try again in a moment.",
            ),
            Self::Database(_) => api::error::internal(
                "The server could not carry out the request because of a database error. The server's log says more.",
            ),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi;
        let Some(code) = error.sqlite_error() else { return Self::Database(error.to_string()) };
        let message = error.to_string();
        match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                Self::Constraint { kind: Constraint::Unique, message }
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Self::Constraint { kind: Constraint::ForeignKey, message },
            _ => match code.code {
                ffi::ErrorCode::ConstraintViolation => Self::Constraint { kind: Constraint::Other, message },
                ffi::ErrorCode::DatabaseBusy
                | ffi::ErrorCode::DatabaseLocked
                | ffi::ErrorCode::DiskFull
                | ffi::ErrorCode::CannotOpen
                | ffi::ErrorCode::ReadOnly => Self::Unavailable(message),
                _ => Self::Database(message),
            },
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::{Severity, SqlState as S};
        let Some(db) = error.as_db_error() else {
            let broken = error.is_closed() || is_io(&error);
            return if broken {
                Self::Disconnected(error.to_string())
            } else {
                Self::Unavailable(error.to_string())
            };
        };
        let message = db.message().to_owned();
        let code = db.code();
        if matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
            || *code == S::READ_ONLY_SQL_TRANSACTION
        {
            Self::Disconnected(message)
        } else if *code == S::T_R_SERIALIZATION_FAILURE || *code == S::T_R_DEADLOCK_DETECTED {
            Self::Conflict(message)
        } else if *code == S::UNIQUE_VIOLATION {
            Self::Constraint { kind: Constraint::Unique, message }
        } else if *code == S::FOREIGN_KEY_VIOLATION {
            Self::Constraint { kind: Constraint::ForeignKey, message }
        // Class 23 are the other integrity rules, class 22 is data that a column cannot hold.
        } else if code.code().starts_with("23") || code.code().starts_with("22") {
            Self::Constraint { kind: Constraint::Other, message }
        // Class 08: connection, 53: resources, 57: operator intervention (a time limit, among others).
        } else if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) {
            Self::Unavailable(message)
        } else if *code == S::LOCK_NOT_AVAILABLE {
            Self::Unavailable(format!("{message}: another session holds the table"))
        } else {
            Self::Database(format!("{} ({message})", code.code()))
        }
    }
}

/// Whether the system failed to send or receive, not this library to write or read what is sent.
fn is_io(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|e| e.downcast_ref::<std::io::Error>());
    source.is_some_and(|e| e.kind() != std::io::ErrorKind::InvalidInput)
}
