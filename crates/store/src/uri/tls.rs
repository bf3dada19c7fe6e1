//! How much TLS an address asks for, and the files of certificates that it names.

use super::postgres::Variables;
use std::path::{Path, PathBuf};

/// What is asked of the server's certificate, and what is shown to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub mode: TlsMode,
    pub roots: Roots,
    /// A file of revoked certificates.
    pub revoked: Option<PathBuf>,
    /// Our own certificate.
    pub own: Option<Own>,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsMode {
    Disable,
    Allow,
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

/// The files of a client's certificate and of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Tls {
    /// Reads libpq's parameters; what they leave open is looked for in `~/.postgresql`, as libpq does.
    ///
    /// # Errors
    /// A sentence that repeats no value.
    pub(super) fn parse<'a>(
        get: &impl Fn(&str) -> Option<&'a str>,
        variables: Variables<'_>,
    ) -> Result<Self, String> {
        let home = variables("HOME").map(|home| Path::new(&home).join(".postgresql"));
        let usual = |file: &str| home.as_ref().map(|folder| folder.join(file)).filter(|path| path.is_file());
        let said = |name: &str| get(name).map(PathBuf::from);
        let roots = get("sslrootcert");
        Ok(Self {
            mode: mode(get("sslmode"), roots)?,
            roots: match roots {
                Some("system") => Roots::System,
                Some(path) => Roots::File(path.into()),
                None => usual("root.crt").map_or(Roots::System, Roots::File),
            },
            revoked: said("sslcrl").or_else(|| usual("root.crl")),
            own: own(said("sslcert"), said("sslkey"), &usual)?,
        })
    }

    /// Whether there are files, which may be renewed while the server runs.
    pub(crate) fn has_files(&self) -> bool {
        self.roots != Roots::System || self.revoked.is_some() || self.own.is_some()
    }
}

fn mode(said: Option<&str>, roots: Option<&str>) -> Result<TlsMode, String> {
    let is_system = roots == Some("system");
    let mode = match said.unwrap_or(if is_system { "verify-full" } else { "prefer" }) {
        "disable" => TlsMode::Disable,
        "allow" => TlsMode::Allow,
        "prefer" => TlsMode::Prefer,
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
    Ok(mode)
}

fn own(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    usual: &impl Fn(&str) -> Option<PathBuf>,
) -> Result<Option<Own>, String> {
    let is_said = certificate.is_some();
    match (certificate.or_else(|| usual("postgresql.crt")), key.or_else(|| usual("postgresql.key"))) {
        (Some(certificate), Some(key)) => Ok(Some(Own { certificate, key })),
        (Some(_), None) if is_said => Err("sslcert names a certificate; name the file of its key with sslkey".into()),
        (Some(_), None) => Err(
            "~/.postgresql/postgresql.crt is a certificate; put its key next to it as postgresql.key, or name it with sslkey"
                .into(),
        ),
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parameters: &[(&str, &'static str)], home: Option<&Path>) -> Result<Tls, String> {
        let get = |name: &str| parameters.iter().find(|(said, _)| *said == name).map(|(_, value)| *value);
        Tls::parse(&get, &|_| home.map(|path| path.display().to_string()))
    }

    #[test]
    fn modes_are_libpqs() {
        let mode = |parameters: &[_]| parse(parameters, None).map(|tls| tls.mode);
        for (expected, parameters) in [
            (TlsMode::Prefer, &[][..]),
            (TlsMode::Disable, &[("sslmode", "disable")]),
            (TlsMode::Allow, &[("sslmode", "allow")]),
            (TlsMode::Require, &[("sslmode", "require")]),
            (TlsMode::VerifyCa, &[("sslmode", "require"), ("sslrootcert", "/ca.pem")]),
            (TlsMode::VerifyFull, &[("sslmode", "verify-full")]),
            (TlsMode::VerifyFull, &[("sslrootcert", "system")]),
        ] {
            assert_eq!(mode(parameters), Ok(expected), "{parameters:?}");
        }
        let error = mode(&[("sslmode", "geheim")]).unwrap_err();
        assert!(error.contains("verify-ca") && !error.contains("geheim"));
        let error = mode(&[("sslmode", "require"), ("sslrootcert", "system")]).unwrap_err();
        assert!(error.contains("verify-full"));
    }

    #[test]
    fn files_are_said_or_in_the_usual_place() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".postgresql");
        std::fs::create_dir(&folder).unwrap();
        let nothing = parse(&[], Some(home.path())).unwrap();
        assert_eq!((nothing.roots.clone(), nothing.own.clone()), (Roots::System, None));
        assert!(!nothing.has_files());

        std::fs::write(folder.join("postgresql.crt"), "").unwrap();
        assert!(parse(&[], Some(home.path())).unwrap_err().contains("postgresql.key"));
        for file in ["postgresql.key", "root.crt", "root.crl"] {
            std::fs::write(folder.join(file), "").unwrap();
        }
        let usual = parse(&[], Some(home.path())).unwrap();
        assert_eq!(usual.roots, Roots::File(folder.join("root.crt")));
        assert_eq!(usual.revoked, Some(folder.join("root.crl")));
        let own = Own { certificate: folder.join("postgresql.crt"), key: folder.join("postgresql.key") };
        assert_eq!(usual.own, Some(own));

        let said = [("sslcert", "/a.crt"), ("sslkey", "/a.key"), ("sslcrl", "/a.crl")];
        let said = parse(&said, Some(home.path())).unwrap();
        assert_eq!(said.own, Some(Own { certificate: "/a.crt".into(), key: "/a.key".into() }));
        assert_eq!(said.revoked, Some("/a.crl".into()));
        assert!(parse(&[("sslcert", "/a.crt")], None).unwrap_err().contains("sslkey"));
    }
}
