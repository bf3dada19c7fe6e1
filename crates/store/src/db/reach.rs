//! How a PostgreSQL server is reached: which of its hosts, with TLS or without, and why it failed.

use super::{tls, transient};
use crate::error::Error;
use crate::uri::{Place, PostgresAddress, TlsMode};
use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The way to a server.
pub(super) struct Reach {
    address: PostgresAddress,
    tls: MakeRustlsConnect,
    /// The host that let us in last. Of several that stand in for each other one that is gone may not even refuse.
    last: AtomicUsize,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// A file of ours cannot be used; the sentence says which.
    File(String),
    /// What each address said, with its host if there are several.
    Refused(Vec<(Option<String>, Refusal)>),
}

/// What became of one try.
pub(super) enum Refusal {
    Silent,
    Unknown(std::io::Error),
    Postgres(tokio_postgres::Error),
}

/// A session, and what keeps it going.
pub(super) type Session = (Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>);

impl Reach {
    /// Reads the certificates, so that what is wrong with them shows at once.
    ///
    /// # Errors
    /// A sentence about them.
    pub(super) fn new(address: &PostgresAddress) -> Result<Self, String> {
        let tls = tls::connector(&address.tls)?;
        Ok(Self { address: address.clone(), tls, last: AtomicUsize::new(0) })
    }

    /// TLS, by the certificates as they are now: they are renewed while a server runs.
    pub(super) fn tls(&self) -> Result<MakeRustlsConnect, String> {
        if self.address.tls.has_files() { tls::connector(&self.address.tls) } else { Ok(self.tls.clone()) }
    }

    /// Logs in to the first host that will have us, with `complete` applied to what is sent.
    pub(super) async fn connect(&self, complete: impl Fn(&mut Config)) -> Result<Session, NoConnection> {
        let hosts = self.address.hosts();
        let tls = self.tls().map_err(NoConnection::File)?;
        let mut refusals = Vec::new();
        for at in self.order() {
            let mut config = self.address.config(&hosts[at]).map_err(NoConnection::File)?;
            complete(&mut config);
            let refused = match self.connect_to_host(&hosts[at], &config, &tls).await {
                Ok(session) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(refused) => refused,
            };
            let name = (hosts.len() > 1).then(|| format!("{}:{}", hosts[at].host, hosts[at].port));
            refusals.push((name, refused));
        }
        Err(NoConnection::Refused(refusals))
    }

    /// The hosts as they are to be asked.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let many = self.address.hosts().len();
        let first = if self.address.is_balanced() {
            usize::from(uuid::Uuid::new_v4().as_bytes()[0])
        } else if self.address.wants_primary() {
            self.last.load(Ordering::Relaxed)
        } else {
            0
        };
        (0..many).map(move |n| (first + n) % many)
    }

    /// Tries each address of a host, each for as long as one may take, as libpq does.
    async fn connect_to_host(
        &self,
        place: &Place,
        config: &Config,
        tls: &MakeRustlsConnect,
    ) -> Result<Session, Refusal> {
        let limit = config.get_connect_timeout().copied().unwrap_or(LONGEST);
        let mut refused = Refusal::Silent;
        for address in addresses(place, limit).await? {
            let mut config = config.clone();
            if let Some(address) = address {
                config.hostaddr(address);
            }
            let modes = modes(if place.is_socket() { TlsMode::Disable } else { self.address.tls.mode });
            match timeout(limit, connect_by(modes, config, tls)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => refused = Refusal::Postgres(error),
                Err(_) => refused = Refusal::Silent,
            }
        }
        Err(refused)
    }
}

/// For addresses that have no `connect_timeout`.
const LONGEST: Duration = Duration::from_secs(30);

/// Where a host is; `None` where the driver knows.
async fn addresses(place: &Place, limit: Duration) -> Result<Vec<Option<IpAddr>>, Refusal> {
    if place.is_socket() {
        return Ok(vec![None]);
    }
    if place.address.is_some() {
        return Ok(vec![place.address]);
    }
    match timeout(limit, lookup_host((place.host.as_str(), place.port))).await {
        Err(_) => Err(Refusal::Silent),
        Ok(Err(error)) => Err(Refusal::Unknown(error)),
        Ok(Ok(found)) => Ok(found.map(|address| Some(address.ip())).collect()),
    }
}

/// What is tried, and what after a refusal.
fn modes(mode: TlsMode) -> &'static [SslMode] {
    match mode {
        TlsMode::Disable => &[SslMode::Disable],
        TlsMode::Allow => &[SslMode::Disable, SslMode::Require],
        TlsMode::Prefer => &[SslMode::Prefer, SslMode::Disable],
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => &[SslMode::Require],
    }
}

async fn connect_by(
    modes: &[SslMode],
    mut config: Config,
    tls: &MakeRustlsConnect,
) -> Result<Session, tokio_postgres::Error> {
    let mut refused = None;
    for mode in modes {
        match config.ssl_mode(*mode).connect(tls.clone()).await {
            // pg_hba.conf has no line for this user with TLS, or without: the other way may have one.
            Err(error) if is_refused_login(&error) && refused.is_none() => refused = Some(error),
            // What was said about the login with TLS is the better advice, and that there is no TLS is none.
            Err(error) => {
                return Err(refused
                    .filter(|_| !is_refused_login(&error) || *mode == SslMode::Disable)
                    .unwrap_or(error));
            }
            Ok(session) => return Ok(session),
        }
    }
    Err(refused.expect("there is a mode, and it was refused"))
}

fn is_refused_login(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

impl NoConnection {
    /// PgBouncer: `unsupported startup parameter: options` (08P01). Others say that it is not supported (0A000).
    pub(super) fn is_refused_setting(&self) -> bool {
        let refusals = [&SqlState::PROTOCOL_VIOLATION, &SqlState::FEATURE_NOT_SUPPORTED];
        match self {
            Self::File(_) => false,
            Self::Refused(refused) => refused.iter().any(|(_, refusal)| match refusal {
                Refusal::Postgres(error) => error.code().is_some_and(|code| refusals.contains(&code)),
                Refusal::Silent | Refusal::Unknown(_) => false,
            }),
        }
    }

    /// Whether the next try may go better, though nobody changes a thing: at any of the hosts.
    fn may_pass(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Refused(refused) => refused.iter().any(|(_, refusal)| match refusal {
                Refusal::Silent | Refusal::Unknown(_) => true,
                Refusal::Postgres(error) => transient::may_pass(error),
            }),
        }
    }

    /// For people, without a password.
    fn sentence(&self) -> String {
        match self {
            Self::File(text) => text.clone(),
            Self::Refused(refused) => {
                let said = refused.iter().map(|(host, refusal)| match host {
                    Some(host) => format!("{host}: {}", reason(refusal)),
                    None => reason(refusal),
                });
                said.collect::<Vec<_>>().join("; ")
            }
        }
    }
}

impl From<NoConnection> for Error {
    fn from(error: NoConnection) -> Self {
        let sentence = error.sentence();
        if error.may_pass() { Self::Unavailable(sentence) } else { Self::Refused(sentence) }
    }
}

/// What the server or the system said about a connection that failed. Neither repeats a password.
fn reason(refusal: &Refusal) -> String {
    let error = match refusal {
        Refusal::Silent => return "the server does not answer".into(),
        Refusal::Unknown(error) => return format!("the host's address cannot be found: {error}"),
        Refusal::Postgres(error) => error,
    };
    if let Some(db) = error.as_db_error() {
        let advice = match db.message() {
            text if text.contains("startup parameter") => {
                "; the pooler before the database takes no settings: leave --db-statement-timeout and options out, and set \
                 them for the role with ALTER ROLE"
            }
            text if text.contains("no encryption") || text.contains("SSL off") => {
                "; sslmode=require uses TLS"
            }
            text if text.contains("valid client certificate") => {
                "; name yours with sslcert, and its key with sslkey"
            }
            _ => "",
        };
        return format!("{}{advice}", db.message());
    }
    let Some(source) = error.source() else { return error.to_string() };
    if let Some(refusal) = tls::refusal(source) {
        return refusal;
    }
    let text = source.to_string();
    match text.as_str() {
        "server does not support TLS" => {
            "the server does not support TLS, and sslmode asks for it; switch TLS on there, or write sslmode=prefer".into()
        }
        "password missing" => {
            "the server asks for a password; put it into the address, PGPASSWORD or --db-password-file".into()
        }
        "database does not allow writes" => {
            "takes no writes: it is a standby, or set to read-only".into()
        }
        _ => format!("{error}: {text}"),
    }
}
