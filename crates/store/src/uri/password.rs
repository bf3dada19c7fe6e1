//! Where a password comes from: said, or in a file that is read again for every connection.

use std::fmt;
use std::path::{Path, PathBuf};

/// A password or where it is. Shows neither.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// There is none: the server trusts us, or refuses us.
    None,
    /// As it is.
    Given(String),
    /// A file with nothing else in it.
    File(PathBuf),
    /// A file of lines `host:port:database:user:password`. The default one may be missing.
    Passfile { path: PathBuf, is_default: bool },
}

/// Whose password is looked for in a password file.
pub(crate) struct Whose<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// The password as it is now.
    ///
    /// # Errors
    /// A sentence about the file, without its content.
    pub(crate) fn read(&self, account: &Whose<'_>) -> Result<Option<String>, String> {
        match self {
            Self::None => Ok(None),
            Self::Given(password) => Ok(Some(password.clone())),
            Self::File(path) => {
                let text = read(path)?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned()))
            }
            Self::Passfile { path, is_default: true } if !path.is_file() || is_shown(path) => Ok(None),
            Self::Passfile { path, .. } if is_shown(path) => Err(format!(
                "the password file {} can be read by other users, and is not used, as in libpq; chmod 600 it",
                path.display()
            )),
            Self::Passfile { path, .. } => Ok(find(&read(path)?, account)),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the password file {}: {error}", path.display()))
}

fn is_shown(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o077 != 0)
}

/// The password of an account, by the first line that fits.
fn find(text: &str, whose: &Whose<'_>) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let port = whose.port.to_string();
        let mut rest = line;
        for expected in [whose.host, &port, whose.database, whose.user] {
            let (field, after) = field(rest);
            if field != "*" && field != expected {
                return None;
            }
            rest = after?;
        }
        Some(field(rest).0)
    })
}

/// The text up to the next colon, with `\:` and `\\` resolved, and what follows the colon.
fn field(line: &str) -> (String, Option<&str>) {
    let mut text = String::new();
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ':' => return (text, Some(&line[at + 1..])),
            '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
            letter => text.push(letter),
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_files_are_libpqs() {
        let file = "# a comment\nh:5432:ml:u:eins\nh:*:other:u:zwei\n\\:\\:1:5432:*:*:a\\:b\\\\c\n*:*:*:me:drei:ignored\nbroken\n";
        for (host, database, user, expected) in [
            ("h", "ml", "u", Some("eins")),
            ("h", "other", "u", Some("zwei")),
            ("::1", "x", "y", Some("a:b\\c")),
            ("anywhere", "x", "me", Some("drei")),
            ("h", "ml", "v", None),
        ] {
            let found = find(file, &Whose { host, port: 5432, database, user });
            assert_eq!(found.as_deref(), expected, "{host} {database} {user}");
        }
    }

    #[test]
    fn a_file_is_read_again_and_must_be_ours_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let password = Password::File(path.clone());
        let whose = Whose { host: "h", port: 1, database: "d", user: "u" };
        assert!(password.read(&whose).unwrap_err().contains("password file"));
        for (content, expected) in [("eins\n", "eins"), ("zwei\r\n", "zwei"), (" drei ", " drei ")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(password.read(&whose).unwrap().as_deref(), Some(expected));
        }
        std::fs::write(&path, "*:*:*:*:vier").unwrap();
        let passfile = Password::Passfile { path: path.clone(), is_default: false };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(passfile.read(&whose).unwrap_err().contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(passfile.read(&whose).unwrap().as_deref(), Some("vier"));
        assert_eq!(format!("{passfile:?}{:?}", Password::Given("vier".into())), "Password(..)Password(..)");
    }
}
