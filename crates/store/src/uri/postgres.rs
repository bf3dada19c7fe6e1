//! The address of a PostgreSQL server: from an URI, from separate parts, and from libpq's environment variables.

use super::password::{Password, Whose};
use super::split::{Parameters, split};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode as Negotiation};

/// How the environment is asked for a variable.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A server and how to log in to it. No part of it that is shown or printed holds the user or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    /// Everything but password and TLS.
    config: Config,
    password: Password,
    pub(crate) tls: Tls,
}

/// Parts of an address that are said one by one, each for the parameter it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the parts are what they are named")]
pub struct Parts {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub name: Option<String>,
    pub password_file: Option<PathBuf>,
    pub sslmode: Option<String>,
    pub sslrootcert: Option<String>,
}

/// What is asked of the server's certificate, and whether there must be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub mode: TlsMode,
    pub roots: Roots,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Who may have signed the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// What the system trusts.
    System,
    /// A file of certificates.
    File(PathBuf),
}

// libpq's variables for what an address leaves open.
const VARIABLES: [(&str, &str); 11] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
];

impl PostgresAddress {
    /// Reads what follows `postgresql://`. `parts` complete it, and the variables say the rest.
    pub(super) fn parse(rest: &str, parts: &Parts, variables: Variables<'_>) -> Result<Self, String> {
        Self::new(split(rest)?, parts, variables)
    }

    fn new(mut said: Parameters, parts: &Parts, variables: Variables<'_>) -> Result<Self, String> {
        let is_said = |said: &Parameters, name: &str| said.iter().any(|(said, _)| said == name);
        let of_parts = [
            ("host", "--db-host", parts.host.clone()),
            ("port", "--db-port", parts.port.map(|port| port.to_string())),
            ("user", "--db-user", parts.user.clone()),
            ("dbname", "--db-name", parts.name.clone()),
            ("sslmode", "--db-sslmode", parts.sslmode.clone()),
            ("sslrootcert", "--db-sslrootcert", parts.sslrootcert.clone()),
        ];
        for (name, option, value) in of_parts {
            let Some(value) = value else { continue };
            if is_said(&said, name) {
                return Err(format!("the address says {name} already; leave {option} out"));
            }
            said.push((name.to_owned(), value));
        }
        if parts.password_file.is_some() && is_said(&said, "password") {
            return Err("the address has a password already; leave --db-password-file out".into());
        }
        // A host that is said is not looked up at another address.
        let host_said = is_said(&said, "host") || is_said(&said, "hostaddr");
        let passfile_said = is_said(&said, "passfile");
        for (variable, name) in VARIABLES {
            let skipped = match name {
                "hostaddr" => host_said,
                "password" => passfile_said || parts.password_file.is_some(),
                _ => false,
            };
            if !skipped && !is_said(&said, name) {
                said.extend(
                    variables(variable).filter(|v| !v.is_empty()).map(|value| (name.to_owned(), value)),
                );
            }
        }
        Self::from_parameters(&said, parts.password_file.clone(), variables)
    }

    fn from_parameters(
        said: &Parameters,
        password_file: Option<PathBuf>,
        variables: Variables<'_>,
    ) -> Result<Self, String> {
        let get = |name: &str| said.iter().find(|(said, _)| said == name).map(|(_, value)| value.as_str());
        let mut config = Config::new();
        let hosts: Vec<&str> = get("host").unwrap_or_default().split(',').collect();
        let addresses: Vec<&str> = get("hostaddr").map_or_else(Vec::new, |text| text.split(',').collect());
        if addresses.is_empty() || get("host").is_some() {
            for host in hosts {
                config.host(if host.is_empty() { "localhost" } else { host });
            }
        } else {
            // The certificate is compared with the host; without one, with the address.
            for address in &addresses {
                config.host(*address);
            }
        }
        for address in addresses {
            config.hostaddr(address.parse().map_err(|_| "hostaddr is no IP address")?);
        }
        for port in get("port").unwrap_or("5432").split(',') {
            let port = if port.is_empty() { Ok(5432) } else { port.parse() };
            match port {
                Ok(port) if port != 0 => config.port(port),
                _ => return Err("a port is a number from 1 to 65535".into()),
            };
        }
        if config.get_ports().len() > 1 && config.get_ports().len() != config.get_hosts().len() {
            return Err("there must be one port, or one for each host".into());
        }
        let user =
            get("user").map(str::to_owned).or_else(|| variables("USER")).unwrap_or_else(|| "postgres".into());
        config.dbname(get("dbname").unwrap_or(&user));
        config.user(user);
        config.application_name(
            get("application_name").or(get("fallback_application_name")).unwrap_or("ferroflow"),
        );
        if let Some(options) = get("options") {
            config.options(options);
        }
        use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, SslNegotiation, TargetSessionAttrs};
        let number = |name: &str| match get(name).map(|text| text.trim().parse::<u64>()) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(format!("{name} is no whole number")),
        };
        let seconds = |name: &str| Ok::<_, String>(number(name)?.filter(|n| *n > 0).map(Duration::from_secs));
        config.connect_timeout(seconds("connect_timeout")?.unwrap_or(CONNECT_TIMEOUT));
        if let Some(ms) = number("tcp_user_timeout")? {
            config.tcp_user_timeout(Duration::from_millis(ms));
        }
        config.keepalives(number("keepalives")? != Some(0));
        config.keepalives_idle(seconds("keepalives_idle")?.unwrap_or(KEEPALIVES_IDLE));
        if let Some(interval) = seconds("keepalives_interval")? {
            config.keepalives_interval(interval);
        }
        if let Some(count) = number("keepalives_count")? {
            config.keepalives_retries(u32::try_from(count).map_err(|_| "keepalives_count is too large")?);
        }
        let wrong = |name: &str, values: &str| Err(format!("{name} is one of {values}"));
        config.target_session_attrs(match get("target_session_attrs").unwrap_or("any") {
            "any" => TargetSessionAttrs::Any,
            // A primary takes writes.
            "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
            _ => return wrong("target_session_attrs", "any, read-write, primary: this server writes"),
        });
        config.load_balance_hosts(match get("load_balance_hosts").unwrap_or("disable") {
            "disable" => LoadBalanceHosts::Disable,
            "random" => LoadBalanceHosts::Random,
            _ => return wrong("load_balance_hosts", "disable, random"),
        });
        config.channel_binding(match get("channel_binding").unwrap_or("prefer") {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return wrong("channel_binding", "disable, prefer, require"),
        });
        config.ssl_negotiation(match get("sslnegotiation").unwrap_or("postgres") {
            "postgres" => SslNegotiation::Postgres,
            "direct" => SslNegotiation::Direct,
            _ => return wrong("sslnegotiation", "postgres, direct"),
        });
        let home = |file: &str| variables("HOME").map(|home| PathBuf::from(home).join(file));
        let tls = tls(get("sslmode"), get("sslrootcert"), home(".postgresql/root.crt"))?;
        config.ssl_mode(match tls.mode {
            TlsMode::Disable => Negotiation::Disable,
            TlsMode::Prefer => Negotiation::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => Negotiation::Require,
        });
        let password = match (get("password"), password_file, get("passfile")) {
            (_, Some(path), _) => Password::File(path),
            (Some(password), ..) => Password::Given(password.to_owned()),
            (.., Some(path)) => Password::Passfile { path: path.into(), is_default: false },
            _ => home(".pgpass").map_or(Password::None, |path| Password::Passfile { path, is_default: true }),
        };
        Ok(Self { config, password, tls })
    }

    /// What to connect with, with the password as it is now.
    ///
    /// # Errors
    /// A sentence about the file that the password is in.
    pub(crate) fn config(&self) -> Result<Config, String> {
        let mut config = self.config.clone();
        let names: Vec<String> = config.get_hosts().iter().map(host_name).collect();
        let ports = config.get_ports();
        let accounts = names.iter().enumerate().map(|(n, host)| Whose {
            // libpq calls the usual socket localhost.
            host: if matches!(host.as_str(), "/var/run/postgresql" | "/tmp") { "localhost" } else { host },
            port: *ports.get(n).or(ports.first()).unwrap_or(&5432),
            database: config.get_dbname().unwrap_or_default(),
            user: config.get_user().unwrap_or_default(),
        });
        let accounts: Vec<_> = accounts.collect();
        if let Some(password) = self.password.read(&accounts)? {
            config.password(password);
        }
        Ok(config)
    }
}

/// How long a host may take to answer at all; the next one is tried then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// When a silent connection is asked whether it is still there.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);

fn tls(mode: Option<&str>, roots: Option<&str>, usual: Option<PathBuf>) -> Result<Tls, String> {
    let is_system = roots == Some("system");
    let mode = match mode.unwrap_or(if is_system { "verify-full" } else { "prefer" }) {
        "disable" => TlsMode::Disable,
        // Neither promises anything; libpq's allow tries without TLS first.
        "allow" | "prefer" => TlsMode::Prefer,
        // libpq's rule: whoever names a root wants it checked.
        "require" if roots.is_some() && !is_system => TlsMode::VerifyCa,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => return Err("sslmode is one of disable, allow, prefer, require, verify-ca, verify-full".into()),
    };
    if is_system && mode != TlsMode::VerifyFull {
        return Err("sslrootcert=system needs sslmode=verify-full: anyone can get a certificate that the system trusts".into());
    }
    let roots = match roots {
        Some("system") => Roots::System,
        Some(path) => Roots::File(path.into()),
        None => usual.filter(|path| path.is_file()).map_or(Roots::System, Roots::File),
    };
    Ok(Tls { mode, roots })
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.config.get_hosts().iter().map(host_name).collect();
        write!(f, "PostgreSQL {} on {}", self.config.get_dbname().unwrap_or_default(), hosts.join(","))
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(rest: &str, parts: &Parts, variables: &[(&str, &str)]) -> Result<PostgresAddress, String> {
        let lookup =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        PostgresAddress::parse(rest, parts, &lookup)
    }

    const ALL: [(&str, &str); 10] = [
        ("PGHOST", "envhost"),
        ("PGPORT", "6000"),
        ("PGUSER", "envuser"),
        ("PGPASSWORD", "geheim"),
        ("PGDATABASE", "envdb"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/env/root.crt"),
        ("PGAPPNAME", "envapp"),
        ("PGOPTIONS", "-csearch_path=env"),
        ("USER", "someone"),
    ];

    #[test]
    fn the_environment_fills_what_is_not_said() {
        let empty = address("", &Parts::default(), &ALL).unwrap();
        let config = empty.config().unwrap();
        assert_eq!(empty.to_string(), "PostgreSQL envdb on envhost");
        assert_eq!((config.get_user(), config.get_ports()), (Some("envuser"), &[6000][..]));
        assert_eq!(config.get_password(), Some(&b"geheim"[..]));
        assert_eq!(
            (config.get_application_name(), config.get_options()),
            (Some("envapp"), Some("-csearch_path=env"))
        );
        assert_eq!(empty.tls, Tls { mode: TlsMode::VerifyCa, roots: Roots::File("/env/root.crt".into()) });

        let said = address("u:p@h:1/d?sslmode=require&application_name=a", &Parts::default(), &ALL).unwrap();
        let config = said.config().unwrap();
        assert_eq!(said.to_string(), "PostgreSQL d on h");
        assert_eq!((config.get_user(), config.get_password()), (Some("u"), Some(&b"p"[..])));
        assert_eq!((config.get_ports(), config.get_application_name()), (&[1][..], Some("a")));
    }

    #[test]
    fn nothing_said_is_the_usual() {
        let address = address("", &Parts::default(), &[("USER", "me")]).unwrap();
        let config = address.config().unwrap();
        assert_eq!(address.to_string(), "PostgreSQL me on localhost");
        assert_eq!((config.get_user(), config.get_application_name()), (Some("me"), Some("ferroflow")));
        assert_eq!((config.get_ports(), address.tls.mode), (&[5432][..], TlsMode::Prefer));
    }

    #[test]
    fn each_part_is_said_once() {
        let parts = Parts {
            host: Some("h".into()),
            user: Some("u".into()),
            password_file: Some("/run/secret".into()),
            ..Parts::default()
        };
        let built = address("", &parts, &ALL).unwrap();
        assert_eq!(built.to_string(), "PostgreSQL envdb on h");
        assert!(matches!(&built.password, Password::File(path) if path.ends_with("secret")));
        for rest in ["other", "u:geheim@", "?user=x"] {
            let error = address(rest, &parts, &[]).unwrap_err();
            assert!(error.contains("leave --db-") && !error.contains("geheim"), "{rest}: {error}");
        }
    }

    #[test]
    fn tls_is_libpqs() {
        let mode = |query: &str| address(&format!("h/d?{query}"), &Parts::default(), &[]).map(|a| a.tls.mode);
        for (query, expected) in [
            ("", TlsMode::Prefer),
            ("sslmode=disable", TlsMode::Disable),
            ("sslmode=allow", TlsMode::Prefer),
            ("sslmode=require", TlsMode::Require),
            ("sslmode=require&sslrootcert=/ca.pem", TlsMode::VerifyCa),
            ("sslmode=verify-full", TlsMode::VerifyFull),
            ("sslrootcert=system", TlsMode::VerifyFull),
        ] {
            assert_eq!(mode(query), Ok(expected), "{query}");
        }
        assert!(mode("sslmode=geheim").unwrap_err().contains("verify-ca"));
        assert!(mode("sslmode=require&sslrootcert=system").unwrap_err().contains("verify-full"));
    }

    #[test]
    fn mistakes_do_not_repeat_values() {
        for query in [
            "port=geheim",
            "port=0",
            "port=1,2,3",
            "connect_timeout=geheim",
            "target_session_attrs=geheim",
            "hostaddr=geheim",
            "channel_binding=geheim",
            "load_balance_hosts=geheim",
            "sslnegotiation=geheim",
        ] {
            let error = address(&format!("u:geheim@/d?{query}"), &Parts::default(), &[]).unwrap_err();
            assert!(!error.contains("geheim"), "{query}: {error}");
        }
    }

    #[test]
    fn no_print_shows_user_or_password() {
        let address = address("user1:geheim@h/d", &Parts::default(), &[]).unwrap();
        assert_eq!(format!("{address} {address:?} {address:#?}").replace("PostgreSQL d on h", "."), ". . .");
    }
}
