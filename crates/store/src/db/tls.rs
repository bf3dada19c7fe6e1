//! TLS to PostgreSQL, as strict as `sslmode` says.

use crate::uri::{Own, Roots, Tls, TlsMode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What makes TLS out of a connection. Reads the certificates.
///
/// # Errors
/// A sentence about the certificates.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = match tls.mode {
        TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer | TlsMode::Require => None,
        TlsMode::VerifyCa | TlsMode::VerifyFull => Some(chain(tls, Arc::clone(&provider))?),
    };
    let check = Check { chain, names: tls.mode == TlsMode::VerifyFull, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check));
    let config = match &tls.own {
        Some(own) if tls.mode != TlsMode::Disable => {
            let certificates = certificates(&own.certificate, "certificate of sslcert")?;
            config.with_client_auth_cert(certificates, key(own)?).map_err(|e| {
                let (certificate, key) = (own.certificate.display(), own.key.display());
                format!("the certificate {certificate} and the key {key} do not go together: {e}")
            })?
        }
        _ => config.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|e| format!("cannot read the {what} in {}: {e}", path.display()))
}

/// Reads our key, if others cannot, by libpq's rule.
fn key(own: &Own) -> Result<PrivateKeyDer<'static>, String> {
    use std::os::unix::fs::MetadataExt;
    let place = own.key.display();
    let cannot = |e: &dyn std::fmt::Display| format!("cannot read the key of sslkey in {place}: {e}");
    let file = own.key.metadata().map_err(|e| cannot(&e))?;
    let forbidden = if file.uid() == 0 { 0o037 } else { 0o077 };
    if file.mode() & forbidden != 0 {
        return Err(format!(
            "the key {place} can be used by other users, and is not used, as in libpq; chmod 600 it (640 if it is root's)"
        ));
    }
    PrivateKeyDer::from_pem_file(&own.key)
        .map_err(|e| format!("{}; it must be a PEM file without a passphrase", cannot(&e)))
}

fn chain(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Chain, String> {
    let (place, trusted) = match &tls.roots {
        Roots::System => ("the system".to_owned(), rustls_native_certs::load_native_certs().certs),
        Roots::File(path) => (path.display().to_string(), certificates(path, "certificates of sslrootcert")?),
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted.iter().cloned());
    if store.is_empty() {
        return Err(format!(
            "{place} has no certificates to trust; name the file of the CA that signed the database's with sslrootcert"
        ));
    }
    let mut verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
    if let Some(path) = &tls.revoked {
        let place = path.display();
        let lists = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match lists {
            Ok(lists) if !lists.is_empty() => {
                verifier = verifier.with_crls(lists).enforce_revocation_expiration();
            }
            Ok(_) => return Err(format!("{place} has no list of revoked certificates for sslcrl")),
            Err(e) => return Err(format!("cannot read the revoked certificates of sslcrl in {place}: {e}")),
        }
    }
    let verifier = verifier.build().map_err(|e| format!("cannot use the certificates of {place}: {e}"))?;
    Ok(Chain { trusted, verifier })
}

/// The check of the server's certificate: nothing, who signed it, or that and its names.
#[derive(Debug)]
struct Check {
    chain: Option<Chain>,
    names: bool,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Chain {
    trusted: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError as E;
        let Some(Chain { trusted, verifier }) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is the last thing that is looked at.
            Err(rustls::Error::InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. }))
                if !self.names =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Err(rustls::Error::InvalidCertificate(
                error @ (E::Expired
                | E::ExpiredContext { .. }
                | E::NotValidYet
                | E::NotValidYetContext { .. }
                | E::Revoked
                | E::UnknownRevocationStatus
                | E::ExpiredRevocationList
                | E::ExpiredRevocationListContext { .. }),
            )) => Err(error.into()),
            // A certificate that signed itself, and that we were told to trust: `openssl req -x509` makes such servers.
            Err(_) if trusted.contains(certificate) => {
                if self.names {
                    rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a certificate was refused and what to do, if that is why a connection failed.
pub(super) fn refusal(error: &(dyn StdError + 'static)) -> Option<String> {
    use CertificateError as E;
    let error = error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
            return Some(format!(
                "the server does not accept this client's certificate ({alert:?}); name one that its CA signed with \
                 sslcert, and its key with sslkey"
            ));
        }
        _ => return Some(format!("TLS failed: {error}")),
    };
    Some(match certificate {
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the server's certificate is not for the host of the address; write a host that its subjectAltName has, or \
             sslmode=verify-ca to check only who signed it"
                .into()
        }
        E::UnknownIssuer | E::BadSignature => {
            "the server's certificate is not signed by a CA that is trusted; name the file of its CA with sslrootcert".into()
        }
        E::Expired | E::ExpiredContext { .. } => "the server's certificate has expired; renew it".into(),
        E::Revoked => "the server's certificate was revoked, says sslcrl".into(),
        E::UnknownRevocationStatus => {
            "sslcrl has no list by the CA of the server's certificate; put one into the file".into()
        }
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => {
            "the list of revoked certificates in sslcrl is out of date; renew it".into()
        }
        other => format!("the server's certificate is not accepted: {other}"),
    })
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
    )
}
