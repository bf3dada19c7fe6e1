//! Database addresses as MLflow's users write them.

use std::path::PathBuf;

/// Where the tracking data is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUri {
    /// A PostgreSQL server.
    Postgres(Box<tokio_postgres::Config>),
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl DatabaseUri {
    /// Reads `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://..`, `postgres://..` and SQLAlchemy's driver
    /// suffixes (`postgresql+psycopg2://..`).
    ///
    /// # Errors
    /// One sentence that says what to write instead; it never repeats the address, which may hold a password.
    pub fn parse(uri: &str) -> Result<Self, String> {
        let (scheme, rest) =
            uri.split_once("://").ok_or("write sqlite:///PATH or postgresql://USER@HOST/DATABASE; folders of the file store are not supported")?;
        match scheme.split('+').next().unwrap_or_default() {
            "sqlite" => sqlite(rest),
            "postgresql" | "postgres" => postgres(rest),
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
            Self::Postgres(config) => {
                let hosts: Vec<_> = config
                    .get_hosts()
                    .iter()
                    .map(|host| match host {
                        tokio_postgres::config::Host::Tcp(name) => name.clone(),
                        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
                    })
                    .collect();
                format!("PostgreSQL {} on {}", config.get_dbname().unwrap_or("postgres"), hosts.join(","))
            }
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

fn postgres(rest: &str) -> Result<DatabaseUri, String> {
    let config: tokio_postgres::Config = format!("postgresql://{rest}").parse().map_err(|_| {
        "the PostgreSQL address cannot be read; it looks like postgresql://USER:PASSWORD@HOST:5432/DATABASE, with \
         special characters of the password percent-encoded"
            .to_owned()
    })?;
    if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
        return Err("sslmode=require is not supported yet; it comes with the next version".into());
    }
    Ok(DatabaseUri::Postgres(Box::new(config)))
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
        let uri = DatabaseUri::parse("postgresql+psycopg2://u:geheim@db.example:5433/ml").unwrap();
        assert_eq!(format!("{uri:?}"), "PostgreSQL ml on db.example");
        let error = DatabaseUri::parse("postgresql://u:geheim@h:notaport/ml").unwrap_err();
        assert!(!error.contains("geheim"), "{error}");
    }
}
