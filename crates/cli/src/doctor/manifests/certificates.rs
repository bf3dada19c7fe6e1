//! Certificates of an Ingress: who makes them, where they lie, and for which names they are.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, Object, covers, list};

const SHIM: [&str; 3] =
    ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer", "kubernetes.io/tls-acme"];
const REFLECTOR: &str = "reflector.v1.k8s.emberstack.com/";

/// cert-manager's ingress-shim makes a Certificate of its own for each TLS secret of an annotated Ingress, named as the secret.
pub fn shim(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for ingress in manifests.of_kind("Ingress") {
        let Some(annotation) = SHIM.iter().find(|name| ingress.annotation(name).is_some()) else { continue };
        for (secret, hosts) in ingress.tls() {
            let advice = format!(
                "Leave the annotation {annotation} out: the certificate comes from elsewhere. With it cert-manager orders one of \
                 its own and both write {secret} by turns"
            );
            let writers = certificates_of(manifests, secret);
            let title = ingress.title();
            if let Some(here) = writers.iter().find(|one| one.namespace == ingress.namespace) {
                // That is the one which the shim would make.
                if here.name == secret {
                    continue;
                }
                let detail =
                    format!("{title} and {} both make cert-manager write the Secret {secret}", here.title());
                traps.push(Trap::new(Verdict::Failure, detail, advice));
            } else if let Some(there) = writers.first() {
                let detail = format!(
                    "{title} makes cert-manager write the Secret {secret}, which {} writes in its namespace, to be copied here",
                    there.title()
                );
                traps.push(Trap::new(Verdict::Failure, detail, advice));
            } else if manifests.find("Secret", &ingress.namespace, secret).is_some() {
                let detail = format!(
                    "{title} makes cert-manager write the Secret {secret}, which is among the manifests, too"
                );
                traps.push(Trap::new(Verdict::Failure, detail, advice));
            } else if secret.contains("wildcard") && !hosts.iter().any(|host| host.starts_with("*.")) {
                let detail = format!(
                    "{title} makes cert-manager order a certificate for {} and write it to {secret}, whose name says that it is \
                     shared and made elsewhere",
                    hosts.join(", ")
                );
                traps.push(Trap::new(Verdict::Warning, detail, advice));
            }
        }
    }
    traps
}

/// An Ingress reads TLS secrets of its own namespace only.
pub fn secret(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for ingress in manifests.of_kind("Ingress") {
        let has_shim = SHIM.iter().any(|name| ingress.annotation(name).is_some());
        for (secret, _) in ingress.tls() {
            let here = manifests.find("Secret", &ingress.namespace, secret).is_some();
            let writers = certificates_of(manifests, secret);
            if secret.is_empty()
                || has_shim
                || here
                || writers.iter().any(|one| one.namespace == ingress.namespace)
            {
                continue;
            }
            let title = ingress.title();
            traps.push(match writers.first() {
                Some(there) if is_reflected(there) => Trap::new(
                    Verdict::Notice,
                    format!("{title} waits for the reflector to copy {secret} of {}", there.title()),
                    "Look whether the reflector runs, and whether this namespace is among those it may copy to",
                ),
                Some(there) => Trap::new(
                    Verdict::Failure,
                    format!("{title} needs {secret} in its own namespace, and {} writes it in another; nobody copies it", there.title()),
                    "Make a Certificate in this namespace, or let a reflector copy the Secret (secretTemplate.annotations)",
                ),
                None => Trap::new(
                    Verdict::Notice,
                    format!("{title} needs the Secret {secret}, which is not among the manifests"),
                    format!("Look whether it is there, in the Ingress' namespace: kubectl get secret {secret} -n NAMESPACE"),
                ),
            });
        }
    }
    traps
}

/// A certificate that is used for a host must be for it.
pub fn names(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for ingress in manifests.of_kind("Ingress") {
        for (secret, hosts) in ingress.tls() {
            for certificate in certificates_of(manifests, secret) {
                let names = certificate.texts("/spec/dnsNames");
                let missing: Vec<_> =
                    hosts.iter().filter(|host| !names.iter().any(|name| covers(name, host))).collect();
                if let Some(host) = missing.first() {
                    let detail = format!(
                        "{} uses {secret} for {host}, and {} is for {}",
                        ingress.title(),
                        certificate.title(),
                        names.join(", ")
                    );
                    let advice = "Add the host to dnsNames; *.example.com stands for one label, and not for example.com";
                    traps.push(Trap::new(Verdict::Failure, detail, advice));
                }
            }
        }
    }
    traps
}

/// Wildcards are given for a record in the DNS only.
pub fn wildcard(manifests: &Manifests) -> Vec<Trap> {
    let wild = manifests
        .of_kind("Certificate")
        .filter(|one| one.texts("/spec/dnsNames").iter().any(|name| name.starts_with("*.")));
    wild.filter_map(|certificate| {
        let issuer = &certificate.value["spec"]["issuerRef"];
        let (kind, name) = (issuer["kind"].as_str().unwrap_or("Issuer"), issuer["name"].as_str()?);
        let issuer = manifests.of_kind(kind).find(|object| object.name == name)?;
        let solvers = list(issuer.value.pointer("/spec/acme/solvers")?);
        let by_dns = solvers.iter().any(|solver| solver.get("dns01").is_some());
        (!by_dns).then(|| {
            let detail =
                format!("{} has a wildcard, and {} has no dns01 solver", certificate.title(), issuer.title());
            Trap::new(
                Verdict::Failure,
                detail,
                "Add a dns01 solver to the issuer: a wildcard cannot be proved by HTTP",
            )
        })
    })
    .collect()
}

fn certificates_of<'a>(manifests: &'a Manifests, secret: &str) -> Vec<&'a Object> {
    let writes = |one: &&Object| !secret.is_empty() && one.value["spec"]["secretName"] == secret;
    manifests.of_kind("Certificate").filter(writes).collect()
}

fn is_reflected(certificate: &Object) -> bool {
    let annotations = certificate.value.pointer("/spec/secretTemplate/annotations");
    let annotations = annotations.and_then(|all| all.as_object());
    annotations.is_some_and(|all| all.keys().any(|name| name.starts_with(REFLECTOR)))
}
