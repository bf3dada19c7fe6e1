//! A server at its address, as its clients reach it: certificate, login, answers, an upload.

mod certificate;
mod edge;
mod service;
mod site;
mod upload;

use super::clock;
use super::not_looked_at;
use super::options::DoctorOptions;
use super::report::{Finding, Report, Verdict};
use crate::start::Failure;
use edge::Edge;
use reqwest::Method;
use site::{Answer, Login, Site};

/// The question that any user of a tracker may ask, and that changes nothing.
const QUESTION: &str = "api/2.0/mlflow/experiments/search?max_results=1";

/// Looks at the server.
///
/// # Errors
/// [`Failure::Usage`] about what is no address, and about files that cannot be read.
pub async fn look(url: &str, options: &DoctorOptions) -> Result<Report, Failure> {
    let base = site::parse(url).map_err(|e| Failure::Usage(format!("--url: {e}")))?;
    let login = Login::of(options).map_err(Failure::Usage)?;
    let roots = certificate::roots(options.ca_file.as_deref()).map_err(Failure::Usage)?;
    let subject = site::shown(&base).trim_end_matches('/').to_owned();
    let site = Site::new(base, &roots).map_err(Failure::Start)?;
    let mut checks = Vec::new();
    let reached = way(&site, roots, options, &mut checks).await?;
    if let Some((site, is_safe)) = reached {
        let login = login.filter(|_| is_safe);
        behind(site, login, options, &mut checks).await;
    }
    Ok(Report::new(subject, checks))
}

/// The name, the certificate, and what port 80 says. Answers what to go on with, and whether passwords may be sent there.
async fn way(
    site: &Site,
    roots: certificate::Roots,
    options: &DoctorOptions,
    checks: &mut Vec<Finding>,
) -> Result<Option<(Site, bool)>, Failure> {
    match site.addresses().await {
        Ok(found) => checks.push(Finding::ok("address", found)),
        Err(failed) => {
            checks.push(failed);
            return Ok(None);
        }
    }
    if !site.is_tls() {
        checks.push(edge::without_tls(site));
        return Ok(Some((site.clone(), true)));
    }
    let (lenient, recorder) = certificate::recording(roots).map_err(Failure::Start)?;
    let lenient = site.with_tls(lenient).map_err(Failure::Start)?;
    let answered = lenient.ask(lenient.request(Method::GET, "health")).await;
    let (found, is_safe) = match (recorder.seen(), answered) {
        (None, Err(why)) => {
            checks.push(certificate::no_handshake(&why));
            return Ok(None);
        }
        (None, Ok(_)) => {
            checks.push(certificate::no_handshake("no certificate was shown"));
            return Ok(None);
        }
        (Some(chain), _) => recorder.judge(&chain, site.host()),
    };
    checks.extend(found);
    if let Some(port) = options.http_port.or(site.plain_port()) {
        checks.push(edge::redirect(site, port).await);
    }
    Ok(Some((if is_safe { site.clone() } else { lenient }, is_safe)))
}

/// What is behind the address.
async fn behind(site: Site, login: Option<Login>, options: &DoctorOptions, checks: &mut Vec<Finding>) {
    let anonymous = match site.ask(site.request(Method::GET, QUESTION)).await {
        Ok(answer) => answer,
        Err(why) => {
            checks.push(edge::no_answer(&site, &why));
            if site::is_late(&why) {
                checks.extend(service::probes(&site).await);
            }
            return;
        }
    };
    if let Some(theirs) = anonymous.date() {
        checks.push(clock::compare("clock", "The server's clock", theirs, anonymous.asked));
    }
    let (finding, edge) = edge::anonymous(&site, &anonymous);
    checks.push(finding);
    if edge == Edge::Broken {
        // The server itself says that something is wrong, and its probes say what.
        if anonymous.json().is_some() {
            checks.extend(service::probes(&site).await);
        }
        return;
    }
    let Some((site, answer)) = let_in(site, login, edge, anonymous, checks).await else { return };
    let hosts = service::hosts(&site, &answer);
    let is_refused = hosts.verdict == Verdict::Failure;
    checks.push(hosts);
    checks.extend(service::probes(&site).await);
    if is_refused {
        checks.push(not_looked_at("api", "the server refuses this address's name"));
        return;
    }
    checks.push(service::api(&answer));
    checks.push(service::origins(&site).await);
    if options.write {
        checks.push(service::write(&site).await);
    }
    match options.upload_bytes() {
        0 => {}
        bytes => checks.extend(upload::look(&site, bytes).await),
    }
}

/// The site as somebody who is let in, with the answer to the first question; none where nobody is.
async fn let_in(
    site: Site,
    login: Option<Login>,
    edge: Edge,
    anonymous: Answer,
    checks: &mut Vec<Finding>,
) -> Option<(Site, Answer)> {
    match (edge, login) {
        (Edge::Open, None) => Some((site, anonymous)),
        (_, None) => {
            checks.push(Finding::new(
                "login",
                Verdict::Notice,
                "nothing behind the login was looked at",
                "Name a user with --user and --password-file; they are sent only where the certificate is good",
            ));
            None
        }
        (_, Some(login)) => {
            let site = site.with_login(login);
            match site.ask(site.request(Method::GET, QUESTION)).await {
                Ok(answer) => {
                    let (finding, is_in) = edge::user(&answer);
                    checks.push(finding);
                    is_in.then_some((site, answer))
                }
                Err(why) => {
                    checks.push(edge::no_answer(&site, &why));
                    None
                }
            }
        }
    }
}
