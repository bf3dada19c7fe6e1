//! Where the installed UI is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder with a build for each version: `$FERROFLOW_UI_HOME`, else `ferroflow/ui` where users have their data. None where
/// there is neither variable nor home.
pub fn folder() -> Option<PathBuf> {
    choose(|name| std::env::var_os(name))
}

/// The build that `ferroflow ui install` made, if it did.
pub fn installed() -> Option<PathBuf> {
    folder().map(|home| home.join(super::VERSION)).filter(|folder| has_build(folder))
}

/// Whether there is a whole build: a folder gets its name when it is complete.
pub fn has_build(folder: &Path) -> bool {
    folder.join("index.html").is_file()
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification: what is relative counts as not set.
    let data = || set("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    let home = || set("HOME").map(|home| home.join(".local/share"));
    set("FERROFLOW_UI_HOME").or_else(|| Some(data().or_else(home)?.join("ferroflow/ui")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_counts() {
        for (variables, expected) in [
            (&[("FERROFLOW_UI_HOME", "ui"), ("XDG_DATA_HOME", "/data"), ("HOME", "/me")] as &[_], Some("ui")),
            (
                &[("FERROFLOW_UI_HOME", ""), ("XDG_DATA_HOME", "/data"), ("HOME", "/me")],
                Some("/data/ferroflow/ui"),
            ),
            (&[("XDG_DATA_HOME", "data"), ("HOME", "/me")], Some("/me/.local/share/ferroflow/ui")),
            (&[("HOME", "")], None),
            (&[], None),
        ] {
            let found =
                choose(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{variables:?}");
        }
    }
}
