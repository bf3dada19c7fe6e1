//! Where credentials come from: the variables that the clouds' own tools read, and files that may change.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Error, Result};

/// Looks up a variable of the environment.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Environment {
    /// Variables as `lookup` tells them.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Those of this process.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// A variable; an empty one is none.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}

/// Without the variables, which are secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// Reads an environment and remembers the files it was led to, so that one can see when they change.
pub(crate) struct Secrets<'a> {
    environment: &'a Environment,
    pub files: Vec<Seen>,
}

/// A file as it was when it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
}

impl<'a> Secrets<'a> {
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment, files: Vec::new() }
    }

    /// A variable that is no secret.
    pub fn var(&self, name: &str) -> Option<String> {
        self.environment.get(name)
    }

    /// The first of these variables that is there.
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.var(name))
    }

    /// The secret in the variable `name`, or in the file that `<name>_FILE` names.
    ///
    /// # Errors
    /// [`Error::Settings`] when that file cannot be read.
    pub fn secret(&mut self, name: &str) -> Result<Option<String>> {
        if let Some(value) = self.var(name) {
            return Ok(Some(value));
        }
        let variable = format!("{name}_FILE");
        let Some(path) = self.var(&variable) else { return Ok(None) };
        let text = self.read(Path::new(&path)).map_err(|e| {
            Error::Settings(format!("The file {path} that {variable} names cannot be read: {e}."))
        })?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// Reads a file, or finds that it is not there yet.
    pub fn read(&mut self, path: &Path) -> std::io::Result<String> {
        self.files.push(Seen { path: path.to_owned(), stamp: stamp(path) });
        fs::read_to_string(path)
    }
}

impl Seen {
    /// Whether the file is another one by now.
    pub fn has_changed(&self) -> bool {
        stamp(&self.path) != self.stamp
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
