//! Manifests, as `helm template` prints them, and the traps that people have fallen into with them. Nothing of a cluster is asked.

mod auth;
mod certificates;
mod images;
mod ingress;
mod network;
mod object;
mod pods;
mod secrets;

use super::report::{Finding, Report, Verdict};
use crate::start::{Failure, reason};
use object::Manifests;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What one check found in one object.
struct Trap {
    verdict: Verdict,
    detail: String,
    advice: String,
}

impl Trap {
    fn new(verdict: Verdict, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict, detail: detail.into(), advice: advice.into() }
    }
}

struct Check {
    name: &'static str,
    /// It is made where there is such an object.
    needs: &'static str,
    /// What is said when there is nothing to say.
    fine: &'static str,
    look: fn(&Manifests) -> Vec<Trap>,
}

const CHECKS: [Check; 21] = [
    check("certificate.shim", "Ingress", "one hand alone writes each certificate", certificates::shim),
    check("certificate.secret", "Ingress", "TLS secrets are where their Ingress is", certificates::secret),
    check(
        "certificate.names",
        "Certificate",
        "certificates are for the hosts they are used for",
        certificates::names,
    ),
    check("certificate.wildcard", "Certificate", "wildcards are proved by DNS", certificates::wildcard),
    check("ingress.class", "Ingress", "the class is one that is maintained", ingress::class),
    check("ingress.body-size", "Ingress", "uploads may be of any size", ingress::body_size),
    check("ingress.buffering", "Ingress", "uploads are sent on as they come", ingress::buffering),
    check("ingress.tls", "Ingress", "every host has TLS", ingress::tls),
    check("auth.secret", "Ingress", "the login's Secret is where its Ingress is", auth::secret),
    check("auth.open", "Ingress", "there is a login before the server", auth::open),
    check("auth.double", "Ingress", "there is one login, not two", auth::double),
    check("auth.bypass", "Ingress", "no second Ingress leads past the login", auth::bypass),
    check("images.drift", "", "the containers of a pod have the same version", images::drift),
    check("images.migration", "", "who migrates the database serves it", images::migration),
    check("images.latest", "", "every image has a version", images::latest),
    check("secrets.plain", "", "no password stands in a manifest for all to read", secrets::plain),
    check("secrets.missing", "", "every Secret that is named is there", secrets::missing),
    check("network.policy", "Service", "a NetworkPolicy says who may reach the server", network::policy),
    check("network.outside", "Service", "no Service is open to the outside", network::outside),
    check("network.names", "", "the server answers to the names that lead to it", network::names),
    check("pods", "", "replicas, probes and variables of pods go together", pods::look),
];

const fn check(
    name: &'static str,
    needs: &'static str,
    fine: &'static str,
    look: fn(&Manifests) -> Vec<Trap>,
) -> Check {
    Check { name, needs, fine, look }
}

/// Looks at the manifests in the files.
///
/// # Errors
/// [`Failure::Usage`] about files that cannot be read.
pub fn look(files: &[PathBuf], namespace: Option<&str>) -> Result<Report, Failure> {
    let mut manifests = Manifests::default();
    for file in files {
        let text = read(file).map_err(Failure::Usage)?;
        manifests.add(&text, namespace.unwrap_or_default()).map_err(|place| {
            Failure::Usage(format!(
                "{}: {place}; give the output of `helm template`, without its notes",
                file.display()
            ))
        })?;
    }
    if manifests.is_empty() {
        return Err(Failure::Usage(
            "there is no Kubernetes object to look at; give the output of `helm template`".into(),
        ));
    }
    Ok(Report::new(format!("{} manifests", manifests.count()), judge(&manifests)))
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let done = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|read| text = read),
    };
    done.map_err(|e| format!("--manifests: cannot read {}: {}", file.display(), reason(&e)))?;
    Ok(text)
}

fn judge(manifests: &Manifests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Check { name, needs, fine, look } in CHECKS {
        if !needs.is_empty() && manifests.of_kind(needs).next().is_none() {
            continue;
        }
        let traps = look(manifests);
        if traps.is_empty() {
            findings.push(Finding::ok(name, fine));
        }
        findings.extend(
            traps
                .into_iter()
                .map(|Trap { verdict, detail, advice }| Finding::new(name, verdict, detail, advice)),
        );
    }
    findings
}

#[cfg(test)]
mod tests;
