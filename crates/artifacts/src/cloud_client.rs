//! One client of a container for all requests, made anew when a file changes that its credentials came from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;
use crate::cloud_open::{self, Client};
use crate::cloud_uri::Container;
use crate::environment::{Environment, Secrets, Seen};

/// How long a changed file may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A container with the client that is valid now.
pub(crate) struct CloudClient {
    container: Container,
    environment: Environment,
    now: Mutex<Now>,
}

struct Now {
    client: Arc<Client>,
    files: Vec<Seen>,
    looked: Instant,
}

impl CloudClient {
    /// # Errors
    /// [`crate::Error::Settings`] when the credentials cannot be used.
    pub fn open(container: Container, environment: Environment) -> Result<Self> {
        let now = Mutex::new(make(&container, &environment)?);
        Ok(Self { container, environment, now })
    }

    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The client. While a changed file makes no good one, the old one stays.
    pub fn get(&self) -> Arc<Client> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if !now.files.is_empty() && now.looked.elapsed() >= LOOK_EVERY {
            now.looked = Instant::now();
            if now.files.iter().any(Seen::has_changed) {
                match make(&self.container, &self.environment) {
                    Ok(renewed) => *now = renewed,
                    Err(error) => {
                        tracing::warn!(%error, "changed credentials cannot be used, the old ones stay")
                    }
                }
            }
        }
        Arc::clone(&now.client)
    }
}

fn make(container: &Container, environment: &Environment) -> Result<Now> {
    let mut secrets = Secrets::new(environment);
    let client = Arc::new(cloud_open::open(container, &mut secrets)?);
    Ok(Now { client, files: secrets.files, looked: Instant::now() })
}

/// Without the client, which holds credentials.
impl fmt::Debug for CloudClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloudClient").field(&self.container).finish()
    }
}
