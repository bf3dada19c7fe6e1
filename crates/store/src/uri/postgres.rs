//! The address of a PostgreSQL server: from an URI, from separate parts, and from libpq's environment variables.

use super::hosts::{Place, hosts};
use super::password::{Password, Whose};
use super::split::{Parameters, split};
use super::tls::{Tls, TlsMode};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{LoadBalanceHosts, TargetSessionAttrs};

/// How the environment is asked for a variable.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A server and how to log in to it. No part of it that is shown or printed holds the user or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    /// Everything but the hosts, the password and TLS.
    config: Config,
    hosts: Vec<Place>,
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
    pub sslcert: Option<String>,
    pub sslkey: Option<String>,
}

// libpq's variables for what an address leaves open.
const VARIABLES: [(&str, &str); 20] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGDATABASE", "dbname"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
    ("PGSERVICE", "service"),
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
            ("sslcert", "--db-sslcert", parts.sslcert.clone()),
            ("sslkey", "--db-sslkey", parts.sslkey.clone()),
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
        if get("service").is_some() {
            return Err("PGSERVICE is set, and services are not supported; unset it, and write host, user and database".into());
        }
        let hosts = hosts(get("host"), get("hostaddr"), get("port"))?;
        let mut config = Config::new();
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
        use tokio_postgres::config::{ChannelBinding, SslNegotiation};
        let number = |name: &str| match get(name).map(|text| text.trim().parse::<u64>()) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(format!("{name} is no whole number")),
        };
        let seconds = |name: &str| Ok::<_, String>(number(name)?.filter(|n| *n > 0).map(Duration::from_secs));
        config.connect_timeout(seconds("connect_timeout")?.unwrap_or(CONNECT_TIMEOUT));
        config.tcp_user_timeout(number("tcp_user_timeout")?.map_or(TCP_USER_TIMEOUT, Duration::from_millis));
        config.keepalives(number("keepalives")? != Some(0));
        config.keepalives_idle(seconds("keepalives_idle")?.unwrap_or(KEEPALIVES_IDLE));
        config.keepalives_interval(seconds("keepalives_interval")?.unwrap_or(KEEPALIVES_INTERVAL));
        let count = number("keepalives_count")?.filter(|n| *n > 0).unwrap_or(KEEPALIVES_COUNT);
        config.keepalives_retries(u32::try_from(count).map_err(|_| "keepalives_count is too large")?);
        let wrong = |name: &str, values: &str| Err(format!("{name} is one of {values}"));
        // Of several hosts one is the primary, and this server writes.
        let wanted = if hosts.len() > 1 { "read-write" } else { "any" };
        config.target_session_attrs(match get("target_session_attrs").unwrap_or(wanted) {
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
        let tls = Tls::parse(&get, variables)?;
        let password = match (get("password"), password_file, get("passfile")) {
            (_, Some(path), _) => Password::File(path),
            (Some(password), ..) => Password::Given(password.to_owned()),
            (.., Some(path)) => Password::Passfile { path: path.into(), is_default: false },
            _ => home(".pgpass").map_or(Password::None, |path| Password::Passfile { path, is_default: true }),
        };
        Ok(Self { config, hosts, password, tls })
    }

    /// The names, addresses and socket folders of the hosts, for people.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|place| place.host.as_str())
    }

    /// Whether it is looked at who signed the server's certificate.
    pub fn checks_certificate(&self) -> bool {
        matches!(self.tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull)
    }

    /// The hosts, in the order in which to ask them.
    pub(crate) fn hosts(&self) -> &[Place] {
        &self.hosts
    }

    /// Whether any order of the hosts will do, as only the primary is wanted, of which there is one.
    pub(crate) fn wants_primary(&self) -> bool {
        self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite
    }

    /// Whether the hosts are asked in a new order each time.
    pub(crate) fn is_balanced(&self) -> bool {
        self.config.get_load_balance_hosts() == LoadBalanceHosts::Random
    }

    /// What to connect to a host with, with the password as it is now. The address to go to is still open.
    ///
    /// # Errors
    /// A sentence about the file that the password is in.
    pub(crate) fn config(&self, place: &Place) -> Result<Config, String> {
        let mut config = self.config.clone();
        config.host(&place.host).port(place.port);
        let account = Whose {
            // libpq calls the usual socket localhost.
            host: if ["/var/run/postgresql", "/tmp"].contains(&place.host.as_str()) {
                "localhost"
            } else {
                &place.host
            },
            port: place.port,
            database: config.get_dbname().unwrap_or_default(),
            user: config.get_user().unwrap_or_default(),
        };
        if let Some(password) = self.password.read(&account)? {
            config.password(password);
        }
        Ok(config)
    }
}

/// How long a host may take to let us in; the next one is tried then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what we send may stay without the system's receipt, before the connection counts as lost.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);
/// When a silent connection is asked whether it is still there, how often, and how many times.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVES_COUNT: u64 = 3;

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|place| place.host.as_str()).collect();
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
    use super::super::tls::Roots;
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
        let config = empty.config(&empty.hosts[0]).unwrap();
        assert_eq!(empty.to_string(), "PostgreSQL envdb on envhost");
        assert_eq!((config.get_user(), config.get_ports()), (Some("envuser"), &[6000][..]));
        assert_eq!(config.get_password(), Some(&b"geheim"[..]));
        assert_eq!(
            (config.get_application_name(), config.get_options()),
            (Some("envapp"), Some("-csearch_path=env"))
        );
        assert_eq!(
            (empty.tls.mode, &empty.tls.roots),
            (TlsMode::VerifyCa, &Roots::File("/env/root.crt".into()))
        );

        let said = address("u:p@h:1/d?sslmode=require&application_name=a", &Parts::default(), &ALL).unwrap();
        let config = said.config(&said.hosts[0]).unwrap();
        assert_eq!(said.to_string(), "PostgreSQL d on h");
        assert_eq!((config.get_user(), config.get_password()), (Some("u"), Some(&b"p"[..])));
        assert_eq!((config.get_ports(), config.get_application_name()), (&[1][..], Some("a")));
    }

    #[test]
    fn nothing_said_is_the_usual() {
        let address = address("", &Parts::default(), &[("USER", "me")]).unwrap();
        let config = address.config(&address.hosts[0]).unwrap();
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
    fn of_several_hosts_the_primary_is_wanted() {
        let wants_primary =
            |rest: &str| address(rest, &Parts::default(), &[]).map(|address| address.wants_primary());
        assert_eq!(wants_primary("a/d"), Ok(false));
        assert_eq!(wants_primary("a/d?target_session_attrs=read-write"), Ok(true));
        assert_eq!(wants_primary("a,b/d"), Ok(true));
        assert_eq!(wants_primary("a,b/d?target_session_attrs=primary"), Ok(true));
        assert_eq!(wants_primary("a,b/d?target_session_attrs=any"), Ok(false));
        assert!(wants_primary("a,b/d?target_session_attrs=standby").unwrap_err().contains("writes"));
    }

    #[test]
    fn a_silent_connection_has_an_end() {
        let config = |query: &str| {
            let address = address(&format!("h/d?{query}"), &Parts::default(), &[]).unwrap();
            address.config(&address.hosts[0]).unwrap()
        };
        let usual = config("");
        let times = |c: &Config| {
            (
                c.get_keepalives_idle(),
                c.get_keepalives_interval().unwrap(),
                c.get_keepalives_retries().unwrap(),
            )
        };
        let seconds = Duration::from_secs;
        assert_eq!(usual.get_connect_timeout(), Some(&seconds(10)));
        assert_eq!(usual.get_tcp_user_timeout(), Some(&seconds(20)));
        assert_eq!((usual.get_keepalives(), times(&usual)), (true, (seconds(15), seconds(5), 3)));
        let said = config(
            "connect_timeout=3&tcp_user_timeout=4000&keepalives_idle=5&keepalives_interval=6&keepalives_count=7",
        );
        assert_eq!(said.get_connect_timeout(), Some(&seconds(3)));
        assert_eq!(said.get_tcp_user_timeout(), Some(&seconds(4)));
        assert_eq!(times(&said), (seconds(5), seconds(6), 7));
        assert!(!config("keepalives=0").get_keepalives());
    }

    #[test]
    fn services_are_refused() {
        let error = address("u@h/d", &Parts::default(), &[("PGSERVICE", "geheim")]).unwrap_err();
        assert!(error.contains("PGSERVICE") && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn mistakes_do_not_repeat_values() {
        for query in [
            "port=geheim",
            "port=0",
            "port=1,2,3",
            "host=a&hostaddr=::1,::2",
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
