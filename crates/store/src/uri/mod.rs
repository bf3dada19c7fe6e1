//! Database addresses as MLflow's and libpq's users write them.

mod hosts;
mod password;
mod postgres;
mod split;
mod tls;

pub(crate) use hosts::Place;
pub use postgres::{Parts, PostgresAddress, Variables};
pub(crate) use tls::{Own, Roots, Tls, TlsMode};

use std::path::PathBuf;

/// Where the tracking data is. Shows no user and no password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUri {
    /// A PostgreSQL server.
    Postgres(Box<PostgresAddress>),
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl DatabaseUri {
    /// Reads an address that says everything itself: [`DatabaseUri::parse_with`] without parts and environment.
    ///
    /// # Errors
    /// One sentence that says what to write instead; it never repeats the address, which may hold a password.
    pub fn parse(uri: &str) -> Result<Self, String> {
        Self::parse_with(uri, &Parts::default(), &|_| None)
    }

    /// Reads `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://..`, `postgres://..` and SQLAlchemy's driver
    /// suffixes (`postgresql+psycopg2://..`). What a PostgreSQL address leaves open is said by `parts`, then by libpq's
    /// variables (`PGHOST`, ..), then by libpq's defaults.
    ///
    /// # Errors
    /// One sentence that says what to write instead; it never repeats the address, which may hold a password.
    pub fn parse_with(uri: &str, parts: &Parts, variables: Variables<'_>) -> Result<Self, String> {
        let (scheme, rest) = uri.split_once("://").ok_or(
            "write sqlite:///PATH or postgresql://USER@HOST/DATABASE; folders of the file store are not supported",
        )?;
        match scheme.split('+').next().unwrap_or_default() {
            "sqlite" if *parts != Parts::default() => {
                Err("options that begin with --db- are for PostgreSQL; leave them or the SQLite address out"
                    .into())
            }
            "sqlite" => sqlite(rest),
            "postgresql" | "postgres" => {
                Ok(Self::Postgres(Box::new(PostgresAddress::parse(rest, parts, variables)?)))
            }
            "mysql" | "mssql" => {
                Err("MySQL and SQL Server are not supported; use sqlite:/// or postgresql://".into())
            }
            "file" | "" => {
                Err("the file store is not supported; use sqlite:///mlflow.db or postgresql://".into())
            }
            _ => Err("the database must be sqlite:///PATH or postgresql://USER@HOST/DATABASE".into()),
        }
    }

    /// The address for people: no password, no user.
    pub fn display(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("SQLite {}", path.display()),
            Self::Postgres(address) => address.to_string(),
        }
    }
}

impl std::fmt::Debug for DatabaseUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.display())
    }
}

fn sqlite(rest: &str) -> Result<DatabaseUri, String> {
    let path = rest.split('?').next().unwrap_or_default();
    match path.strip_prefix('/') {
        None => {
            Err("a SQLite address has three slashes before a relative path and four before an absolute one: \
                     sqlite:///mlflow.db"
                .into())
        }
        Some("" | ":memory:") => {
            Err("an in-memory SQLite database would lose every run at exit; use sqlite:///mlflow.db".into())
        }
        Some(path) => Ok(DatabaseUri::Sqlite(PathBuf::from(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_paths_follow_sqlalchemy() {
        let path = |uri| match DatabaseUri::parse(uri).unwrap() {
            DatabaseUri::Sqlite(path) => path,
            DatabaseUri::Postgres(_) => panic!("not SQLite"),
        };
        assert_eq!(path("sqlite:///mlflow.db"), PathBuf::from("mlflow.db"));
        assert_eq!(path("sqlite:////data/mlflow.db"), PathBuf::from("/data/mlflow.db"));
        for bad in ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "./mlruns", "file:///x", "redis://x"] {
            assert!(DatabaseUri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn postgres_takes_driver_suffixes_and_shows_no_password() {
        for scheme in
            ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg", "postgres+asyncpg"]
        {
            let uri = DatabaseUri::parse(&format!("{scheme}://u:geheim@db.example:5433/ml")).unwrap();
            assert_eq!(format!("{uri:?}"), "PostgreSQL ml on db.example");
        }
    }
}
