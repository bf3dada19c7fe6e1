//! TLS to PostgreSQL, as strict as `sslmode` says.

use crate::uri::{Roots, Tls, TlsMode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What makes TLS out of a connection. Reads the certificates.
///
/// # Errors
/// A sentence about the certificates.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = match tls.mode {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => None,
        TlsMode::VerifyCa | TlsMode::VerifyFull => Some(chain(&tls.roots, Arc::clone(&provider))?),
    };
    let check = Check { chain, names: tls.mode == TlsMode::VerifyFull, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn chain(roots: &Roots, provider: Arc<CryptoProvider>) -> Result<Chain, String> {
    let (place, trusted) = match roots {
        Roots::System => ("the system".to_owned(), rustls_native_certs::load_native_certs().certs),
        Roots::File(path) => {
            let place = path.display().to_string();
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            (
                place.clone(),
                read.map_err(|e| format!("cannot read the certificates of sslrootcert in {place}: {e}"))?,
            )
        }
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted.iter().cloned());
    if store.is_empty() {
        return Err(format!(
            "{place} has no certificates to trust; name the file of the CA that signed the database's with sslrootcert"
        ));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    Ok(Chain {
        trusted,
        verifier: verifier.map_err(|e| format!("cannot use the certificates of {place}: {e}"))?,
    })
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
                | E::NotValidYetContext { .. }),
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
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Some(format!("TLS failed: {error}"));
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
        other => format!("the server's certificate is not accepted: {other}"),
    })
}
