//! Opening stores, each container once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cloud::CloudStore;
use crate::cloud_client::CloudClient;
use crate::cloud_uri::{self, Container};
use crate::environment::Environment;
use crate::{Result, Store};

/// How many containers are kept open. More than one or two are the work of somebody who makes up names.
const KEPT: usize = 64;

/// Opens stores, and keeps the clients of clouds for the next time: their connections and tokens serve all requests.
#[derive(Debug, Clone)]
pub struct Stores(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    working_dir: PathBuf,
    environment: Environment,
    clients: Mutex<HashMap<Container, Arc<CloudClient>>>,
}

impl Stores {
    /// Paths are relative to `working_dir`; credentials come from `environment`.
    pub fn new(working_dir: PathBuf, environment: Environment) -> Self {
        Self(Arc::new(Inner { working_dir, environment, clients: Mutex::default() }))
    }

    /// Opens the store at `uri`: a path, a `file:` URI, or a place in a cloud. Nothing is sent yet.
    ///
    /// # Errors
    /// [`crate::Error::UnsupportedUri`] and [`crate::Error::BadUri`] for what is none, [`crate::Error::Settings`] when the
    /// credentials cannot be used.
    pub fn open(&self, uri: &str) -> Result<Store> {
        if !cloud_uri::is_cloud(uri) {
            return Store::open(uri, &self.0.working_dir);
        }
        let own_suffix = self.0.environment.get("AZURE_STORAGE_ENDPOINT_SUFFIX");
        let place = cloud_uri::parse(uri, own_suffix.as_deref())?;
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(&place.container) {
            Some(client) => Arc::clone(client),
            None => {
                let environment = self.0.environment.clone();
                let client = Arc::new(CloudClient::open(place.container.clone(), environment)?);
                if clients.len() >= KEPT {
                    clients.clear();
                }
                clients.insert(place.container, Arc::clone(&client));
                client
            }
        };
        Ok(Store::Cloud(CloudStore::new(client, &place.prefix)))
    }
}
