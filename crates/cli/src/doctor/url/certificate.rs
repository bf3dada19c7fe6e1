//! The certificate of a site: who signed it, for which names it is, and how long it is good.

use super::super::report::{Finding, Verdict};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Whom to trust.
pub type Roots = Arc<RootCertStore>;

/// What controllers show when they have no certificate of the Ingress.
const STAND_INS: [&str; 2] = ["Kubernetes Ingress Controller Fake Certificate", "TRAEFIK DEFAULT CERT"];

/// The certificates of a file, or those of the system.
///
/// # Errors
/// A sentence about the file.
pub fn roots(file: Option<&Path>) -> Result<Roots, String> {
    let mut store = RootCertStore::empty();
    match file {
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|e| format!("--ca-file: cannot read {}: {e}", path.display()))?;
            store.add_parsable_certificates(read);
            if store.is_empty() {
                return Err(format!("--ca-file: there is no certificate in {}", path.display()));
            }
        }
    }
    Ok(Arc::new(store))
}

/// TLS as clients do it.
///
/// # Errors
/// A sentence where there is none to be had.
pub fn strict(roots: &Roots) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth())
}

/// TLS that takes every certificate and keeps it. No password may be sent by it.
///
/// # Errors
/// A sentence where there is none to be had.
pub fn recording(roots: Roots) -> Result<(ClientConfig, Arc<Recorder>), String> {
    let provider = Arc::new(ring::default_provider());
    // Without roots nothing can be judged, and everything is from an unknown issuer.
    let verifier = match roots.is_empty() {
        true => None,
        false => {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Some(builder.build().map_err(|e| e.to_string())?)
        }
    };
    let recorder = Arc::new(Recorder { verifier, provider: Arc::clone(&provider), seen: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    Ok((config, recorder))
}

/// Keeps what a server shows.
#[derive(Debug)]
pub struct Recorder {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(certificate).chain(intermediates);
        let chain = chain.map(|one| one.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is read of a certificate.
struct Leaf {
    from: Duration,
    until: Duration,
    subject: String,
    issuer: String,
    names: Vec<String>,
}

impl Recorder {
    /// The chain of the last handshake.
    pub fn seen(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What there is to say of a chain, and whether a client would take it.
    pub fn judge(&self, chain: &[CertificateDer<'static>], host: &str) -> (Vec<Finding>, bool) {
        let leaf = chain.first().and_then(leaf);
        let (Some(leaf), Ok(name)) = (leaf, ServerName::try_from(host.to_owned())) else {
            let detail = "the server shows something that is no certificate, or none for such a name";
            let finding = Finding::new(
                "tls.chain",
                Verdict::Failure,
                detail,
                "Look at it: openssl s_client -connect HOST:443",
            );
            return (vec![finding], false);
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Whether it is still good is a question of its own.
        let second = Duration::from_secs(1);
        let at = now.max(leaf.from + second).min(leaf.until.saturating_sub(second));
        let findings = vec![
            self.signers(chain, &leaf, &name, at),
            names(&chain[0], &leaf, &name, host),
            expiry(&leaf, now),
        ];
        let is_good = findings.iter().all(|finding| finding.verdict != Verdict::Failure);
        (findings, is_good)
    }

    fn signers(
        &self,
        chain: &[CertificateDer<'_>],
        leaf: &Leaf,
        name: &ServerName<'_>,
        at: Duration,
    ) -> Finding {
        use CertificateError as E;
        const CHECK: &str = "tls.chain";
        let verified = match &self.verifier {
            Some(verifier) => verifier
                .verify_server_cert(&chain[0], &chain[1..], name, &[], UnixTime::since_unix_epoch(at))
                .map(drop),
            None => Err(rustls::Error::InvalidCertificate(E::UnknownIssuer)),
        };
        let failure = |detail: String, advice: &str| Finding::new(CHECK, Verdict::Failure, detail, advice);
        match verified {
            Ok(())
            | Err(rustls::Error::InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. })) => {
                Finding::ok(CHECK, format!("signed by {}, which is trusted", leaf.issuer))
            }
            _ if STAND_INS.iter().any(|name| leaf.subject.contains(name)) => failure(
                format!(
                    "the ingress controller shows its stand-in ({}): it has no certificate for this host",
                    leaf.subject
                ),
                "The Secret of the Ingress' tls section must be in the Ingress' own namespace, with tls.crt and tls.key: \
                 kubectl get secret -n NAMESPACE",
            ),
            Err(rustls::Error::InvalidCertificate(E::UnknownIssuer)) if leaf.subject == leaf.issuer => {
                failure(
                    format!("it signed itself ({}), so nobody trusts it", leaf.subject),
                    "Have it signed by a CA, or name it with --ca-file here, and in REQUESTS_CA_BUNDLE for clients",
                )
            }
            Err(rustls::Error::InvalidCertificate(E::UnknownIssuer)) if chain.len() == 1 => failure(
                format!(
                    "signed by {}, which is not trusted, and the server sends nobody's certificate but its own",
                    leaf.issuer
                ),
                "Let it send the intermediate certificates, too (tls.crt has the whole chain), or name the CA with --ca-file",
            ),
            Err(rustls::Error::InvalidCertificate(E::UnknownIssuer)) => failure(
                format!("signed by {}, which is not trusted here", leaf.issuer),
                "Name the CA with --ca-file (or SSL_CERT_FILE), and in REQUESTS_CA_BUNDLE for clients; Let's Encrypt's \
                 staging is trusted by nobody",
            ),
            Err(rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. })) => failure(
                "a certificate above it has expired".into(),
                "Let the server send the chain that its CA gives out today",
            ),
            Err(other) => {
                failure(format!("not accepted: {other}"), "Have it made anew, by a CA that clients know")
            }
        }
    }
}

fn names(certificate: &CertificateDer<'_>, leaf: &Leaf, name: &ServerName<'_>, host: &str) -> Finding {
    const CHECK: &str = "tls.name";
    let is_for =
        ParsedCertificate::try_from(certificate).and_then(|parsed| verify_server_name(&parsed, name));
    let list = if leaf.names.is_empty() { "no name at all".to_owned() } else { leaf.names.join(", ") };
    match is_for {
        Ok(()) => Finding::ok(CHECK, format!("for {list}")),
        Err(_) => Finding::new(
            CHECK,
            Verdict::Failure,
            format!("it is for {list}, and not for {host}"),
            "Add the host to dnsNames of the Certificate; *.example.com stands for one label, and not for example.com",
        ),
    }
}

fn expiry(leaf: &Leaf, now: Duration) -> Finding {
    const CHECK: &str = "tls.expiry";
    let days = |time: Duration| time.as_secs() / 86_400;
    let renew = "Look at what renews it: kubectl get certificate,certificaterequest,order,challenge -A";
    if now < leaf.from {
        let wait = (leaf.from - now).as_secs().div_ceil(3600);
        let detail = format!("not good yet, but in {wait} hours");
        return Finding::new(
            CHECK,
            Verdict::Failure,
            detail,
            "Check this machine's clock, and the one it was made on",
        );
    }
    let Some(left) = leaf.until.checked_sub(now) else {
        let detail = format!("expired {} days ago", days(now - leaf.until));
        return Finding::new(CHECK, Verdict::Failure, detail, renew);
    };
    let whole = leaf.until.saturating_sub(leaf.from);
    let detail = format!("good for {} more days of {}", days(left), days(whole));
    // cert-manager and others renew when a third is left.
    match left < whole / 4 {
        true => Finding::new(
            CHECK,
            Verdict::Warning,
            format!("{detail}; it should have been renewed by now"),
            renew,
        ),
        false => Finding::ok(CHECK, detail),
    }
}

fn leaf(der: &CertificateDer<'_>) -> Option<Leaf> {
    let certificate = Certificate::from_der(der.as_ref()).ok()?.tbs_certificate;
    let (_, names) = certificate.get::<SubjectAltName>().ok()?.unwrap_or((false, SubjectAltName(Vec::new())));
    let names = names.0.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(address) => match address.as_bytes() {
            [a, b, c, d] => Some(format!("{a}.{b}.{c}.{d}")),
            bytes => {
                <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    });
    Some(Leaf {
        from: certificate.validity.not_before.to_unix_duration(),
        until: certificate.validity.not_after.to_unix_duration(),
        subject: certificate.subject.to_string(),
        issuer: certificate.issuer.to_string(),
        names: names.collect(),
    })
}

/// There was no handshake at all.
pub fn no_handshake(why: &str) -> Finding {
    let advice = if why.contains("corrupt message") {
        "This port does not speak TLS; write http://, or the port of https"
    } else if why.contains("refused") || why.contains("answer") || why.contains("timed out") {
        "Check the port, that the ingress controller or load balancer runs, and that firewalls let this machine through"
    } else if why.contains("alert") || why.contains("protocol") {
        "The server must speak TLS 1.2 or 1.3, and have a certificate for this name"
    } else {
        "Look at it: openssl s_client -connect HOST:PORT"
    };
    Finding::new("tls.handshake", Verdict::Failure, format!("no TLS: {why}"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_of(days: std::ops::Range<u64>) -> Leaf {
        let at = |days: u64| Duration::from_secs(days * 86_400);
        Leaf {
            from: at(days.start),
            until: at(days.end),
            subject: String::new(),
            issuer: String::new(),
            names: vec![],
        }
    }

    #[test]
    fn what_should_have_been_renewed_is_a_warning() {
        let verdict = |day: u64| expiry(&leaf_of(100..190), Duration::from_secs(day * 86_400)).verdict;
        assert_eq!(verdict(99), Verdict::Failure);
        assert_eq!((verdict(100), verdict(160)), (Verdict::Ok, Verdict::Ok));
        assert_eq!((verdict(180), verdict(191)), (Verdict::Warning, Verdict::Failure));
        assert!(
            expiry(&leaf_of(100..190), Duration::from_secs(150 * 86_400))
                .detail
                .contains("40 more days of 90")
        );
    }
}
