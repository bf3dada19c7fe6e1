//! The HTTP client that all clouds are spoken to with.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use rustls::{ClientConfig, RootCertStore};

use crate::{Error, Result};

/// How long the store may send nothing, and how long it may take to confirm a part.
const IDLE: Duration = Duration::from_secs(60);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Gives every client of a container the same pool of connections.
#[derive(Debug, Clone)]
pub(crate) struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// TLS that trusts whom the system trusts, for every HTTP client of this program.
///
/// # Errors
/// [`Error::Settings`] when there is no TLS to be had.
pub fn system_tls() -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A client that has no limit on the whole time of a request.
///
/// # Errors
/// [`Error::Settings`] when there is no TLS to be had.
pub(crate) fn connector() -> Result<Connector> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(system_tls()?)
        .connect_timeout(CONNECT)
        .read_timeout(IDLE)
        // A redirect could lead credentials elsewhere; the stores' own mean a wrong region, and are said so.
        .redirect(reqwest::redirect::Policy::none())
        .http1_only()
        .user_agent(concat!("ferroflow/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| broken(&e))?;
    Ok(Connector(HttpClient::new(client)))
}

fn broken(error: &dyn Display) -> Error {
    Error::Settings(format!("No HTTP client could be made: {error}."))
}

/// How often a request is repeated that the store refused for the moment, or that got lost.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: Duration::from_secs(60),
    }
}
