//! How PostgreSQL is reached, and how much of it is used.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use store::db::{PoolOptions, Prepared};
use store::uri::{DatabaseUri, Parts};

/// Where a PostgreSQL is, for those who write no URI, and how to log in.
#[derive(Args, Default)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PlaceOptions {
    /// The server's name, address or socket folder, for those who write no URI. PGHOST and its like are asked last.
    #[arg(long, env = "FERROFLOW_DB_HOST", value_name = "HOST")]
    db_host: Option<String>,

    /// The server's port.
    #[arg(long, env = "FERROFLOW_DB_PORT", value_name = "PORT")]
    db_port: Option<u16>,

    /// The user to log in as.
    #[arg(long, env = "FERROFLOW_DB_USER", value_name = "USER")]
    db_user: Option<String>,

    /// The database.
    #[arg(long, env = "FERROFLOW_DB_NAME", value_name = "NAME")]
    db_name: Option<String>,

    /// A file with the password, read again for every new connection.
    #[arg(long, env = "FERROFLOW_DB_PASSWORD_FILE", value_name = "FILE")]
    db_password_file: Option<PathBuf>,

    /// TLS: disable, allow, prefer, require, verify-ca or verify-full [default: prefer].
    #[arg(long, env = "FERROFLOW_DB_SSLMODE", value_name = "MODE")]
    db_sslmode: Option<String>,

    /// The certificates that the server's must be signed by: a PEM file, or system.
    #[arg(long, env = "FERROFLOW_DB_SSLROOTCERT", value_name = "FILE")]
    db_sslrootcert: Option<String>,

    /// This client's certificate, a PEM file, if the server asks for one.
    #[arg(long, env = "FERROFLOW_DB_SSLCERT", value_name = "FILE")]
    db_sslcert: Option<String>,

    /// The key of that certificate, a PEM file that only its owner can read.
    #[arg(long, env = "FERROFLOW_DB_SSLKEY", value_name = "FILE")]
    db_sslkey: Option<String>,
}

#[derive(Args, Default)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseOptions {
    #[command(flatten)]
    pub place: PlaceOptions,

    /// Connections that are kept; 0 is the default [default: 10].
    #[arg(long, env = "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", value_name = "N")]
    db_pool_size: Option<usize>,

    /// Connections beyond those, closed when nobody waits for one [default: 0].
    #[arg(long, env = "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW", value_name = "N")]
    db_max_overflow: Option<usize>,

    /// Replace connections that are older than this many seconds; 0 or less never does [default: 0].
    #[arg(
        long,
        env = "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    db_pool_recycle: Option<i64>,

    /// Seconds that a request waits for a free connection before it is answered 503 [default: 30].
    #[arg(long, env = "FERROFLOW_DB_POOL_TIMEOUT", value_name = "SECONDS")]
    db_pool_timeout: Option<u32>,

    /// Seconds after which the server ends a statement; 0 never does [default: 0].
    #[arg(long, env = "FERROFLOW_DB_STATEMENT_TIMEOUT", value_name = "SECONDS")]
    db_statement_timeout: Option<u32>,

    /// Keep prepared statements: auto (not through a pooler such as PgBouncer), always or never [default: auto].
    #[arg(long, env = "FERROFLOW_DB_PREPARED_STATEMENTS", value_name = "WHEN", hide_possible_values = true)]
    db_prepared_statements: Option<When>,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl PlaceOptions {
    /// The database that `uri` or these options name; none if nothing does. `option` is what `uri` was given as.
    ///
    /// # Errors
    /// A sentence that never repeats an address, which may hold a password.
    pub fn database(&self, uri: Option<&str>, option: &str) -> Result<Option<DatabaseUri>, String> {
        match uri {
            Some(_) if self.is_place() => Err(format!(
                "{option} says where the database is; leave it out, or leave out --db-host, --db-port, --db-user and \
                 --db-name (and their FERROFLOW_DB_ variables)"
            )),
            Some(uri) => Self::parse(uri, &self.parts()).map(Some).map_err(|e| format!("{option}: {e}")),
            None if self.is_place() => Self::parse("postgresql://", &self.parts()).map(Some),
            None if self.parts() != Parts::default() => {
                Err(format!("say where the database is, with --db-host or {option} postgresql://.."))
            }
            None => Ok(None),
        }
    }

    /// The database that a second address names, to which only what belongs to every address applies.
    ///
    /// # Errors
    /// As [`PlaceOptions::database`].
    pub fn other_database(&self, uri: &str, option: &str) -> Result<DatabaseUri, String> {
        let parts = Parts { host: None, port: None, user: None, name: None, ..self.parts() };
        Self::parse(uri, &parts).map_err(|e| format!("{option}: {e}"))
    }

    /// The environment is libpq's; every address may leave parts to it.
    fn parse(uri: &str, parts: &Parts) -> Result<DatabaseUri, String> {
        DatabaseUri::parse_with(uri, parts, &|name| std::env::var(name).ok())
    }

    /// Whether options say where the database is.
    fn is_place(&self) -> bool {
        self.db_host.is_some() || self.db_port.is_some() || self.db_user.is_some() || self.db_name.is_some()
    }

    /// The parts of the address that have options of their own.
    fn parts(&self) -> Parts {
        Parts {
            host: self.db_host.clone(),
            port: self.db_port,
            user: self.db_user.clone(),
            name: self.db_name.clone(),
            password_file: self.db_password_file.clone(),
            sslmode: self.db_sslmode.clone(),
            sslrootcert: self.db_sslrootcert.clone(),
            sslcert: self.db_sslcert.clone(),
            sslkey: self.db_sslkey.clone(),
        }
    }
}

impl DatabaseOptions {
    /// Checks what one option alone does not show.
    ///
    /// # Errors
    /// A sentence about options that do not go together.
    pub fn check(&self) -> Result<(), String> {
        match self.pool().size + self.pool().overflow {
            ..=MOST => Ok(()),
            _ => Err(format!("--db-pool-size and --db-max-overflow together are at most {MOST}")),
        }
    }

    /// How many connections, and for how long.
    pub fn pool(&self) -> PoolOptions {
        let usual = PoolOptions::default();
        let seconds = |n: u32| Duration::from_secs(n.into());
        PoolOptions {
            size: self.db_pool_size.filter(|n| *n > 0).unwrap_or(usual.size),
            overflow: self.db_max_overflow.unwrap_or(usual.overflow),
            recycle: self
                .db_pool_recycle
                .and_then(|n| u64::try_from(n).ok())
                .filter(|n| *n > 0)
                .map(Duration::from_secs),
            wait: self.db_pool_timeout.map_or(usual.wait, seconds),
            statement_timeout: self.db_statement_timeout.filter(|n| *n > 0).map(seconds),
            prepared: match self.db_prepared_statements {
                None | Some(When::Auto) => Prepared::Auto,
                Some(When::Always) => Prepared::Always,
                Some(When::Never) => Prepared::Never,
            },
        }
    }
}

/// More than any server of PostgreSQL takes.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_zero_are_the_usual_pool() {
        let zero = DatabaseOptions {
            db_pool_size: Some(0),
            db_max_overflow: Some(0),
            db_pool_recycle: Some(-1),
            db_statement_timeout: Some(0),
            ..DatabaseOptions::default()
        };
        for options in [DatabaseOptions::default(), zero] {
            let pool = options.pool();
            assert_eq!((pool.size, pool.overflow, pool.recycle), (10, 0, None));
            assert_eq!((pool.wait, pool.statement_timeout), (Duration::from_secs(30), None));
        }
        let many = DatabaseOptions { db_max_overflow: Some(MOST), ..DatabaseOptions::default() };
        assert!(many.check().unwrap_err().contains("--db-max-overflow"));
    }
}
