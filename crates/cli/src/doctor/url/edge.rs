//! The proxy before a server: whom it lets in, and where it sends those who come without TLS.

use super::super::report::{Finding, Verdict};
use super::service::refuses_host;
use super::site::{Answer, Site};
use reqwest::Url;

/// What becomes of somebody without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The server answers.
    Open,
    /// There is a login before it.
    Closed,
    /// Nobody gets an answer that is one.
    Broken,
}

/// An address of plain HTTP.
pub fn without_tls(site: &Site) -> Finding {
    match site.is_internal() {
        true => Finding::notice(
            "tls",
            "plain HTTP, at a name that only a cluster, a network of yours or this machine knows",
        ),
        false => Finding::new(
            "tls",
            Verdict::Warning,
            "plain HTTP: passwords, data and models can be read and changed on the way",
            "Put a proxy with a certificate before the server, and use its https address",
        ),
    }
}

/// What plain HTTP at the same host leads to.
pub async fn redirect(site: &Site, port: u16) -> Finding {
    const CHECK: &str = "redirect";
    let Some(request) = site.plain_request(port) else {
        return Finding::notice(CHECK, "no such address of plain HTTP");
    };
    let answer = match site.ask(request).await {
        Ok(answer) => answer,
        Err(_) => return Finding::ok(CHECK, format!("nobody answers plain HTTP on port {port}")),
    };
    match (answer.status, answer.header("location")) {
        (300..=399, Some(to)) if to.starts_with("https://") => {
            Finding::ok(CHECK, format!("port {port} leads to https"))
        }
        (status @ (404 | 421 | 426 | 300..=399), _) => {
            Finding::notice(CHECK, format!("port {port} answers {status}, and does not lead to https"))
        }
        (status, _) => Finding::new(
            CHECK,
            Verdict::Warning,
            format!(
                "port {port} answers {status} by plain HTTP, so passwords may be sent where they can be read"
            ),
            "Redirect to https (nginx.ingress.kubernetes.io/force-ssl-redirect: \"true\"), or close the port",
        ),
    }
}

/// What somebody without a login gets.
pub fn anonymous(site: &Site, answer: &Answer) -> (Finding, Edge) {
    const CHECK: &str = "anonymous";
    match answer.status {
        200 if answer.json().is_some_and(|json| json.is_object()) => (open(site, CHECK), Edge::Open),
        403 if refuses_host(answer) => (open(site, CHECK), Edge::Open),
        401 => {
            let scheme = answer.header("www-authenticate").and_then(|text| text.split(' ').next());
            let scheme = scheme.map(|scheme| format!(" ({scheme})")).unwrap_or_default();
            (Finding::ok(CHECK, format!("refused without a login{scheme}")), Edge::Closed)
        }
        403 => (Finding::ok(CHECK, "refused without a login"), Edge::Closed),
        300..=399 => elsewhere(site, CHECK, answer.header("location").unwrap_or_default()),
        _ => (trouble(CHECK, answer), Edge::Broken),
    }
}

fn open(site: &Site, check: &'static str) -> Finding {
    match site.is_internal() {
        true => Finding::new(
            check,
            Verdict::Notice,
            "whoever reaches this address can read and write, which in a cluster is every pod",
            "Let only the ingress controller and the clients in: a NetworkPolicy",
        ),
        false => Finding::new(
            check,
            Verdict::Warning,
            "whoever reaches this address can read and write everything; nobody asks for a login",
            "Put a login before it: basic auth at the Ingress (auth-type, auth-secret), or a proxy that knows your users",
        ),
    }
}

/// The host alone is told: what follows may hold a token. Who is sent on to https has not met a login yet, and must not say a password.
fn elsewhere(site: &Site, check: &'static str, location: &str) -> (Finding, Edge) {
    let to = Url::parse(location).ok().and_then(|url| url.host_str().map(str::to_owned));
    match to {
        Some(_) if location.starts_with("https://") && !site.is_tls() => (
            Finding::new(
                check,
                Verdict::Warning,
                "sent on to https, and nothing else was looked at; clients that write here may lose what they send",
                "Look at the https address, and give that to clients",
            ),
            Edge::Broken,
        ),
        Some(host) if host != site.host() => {
            (Finding::ok(check, format!("sent to a login at {host}")), Edge::Closed)
        }
        _ => (Finding::ok(check, "sent to a login page"), Edge::Closed),
    }
}

/// What the user gets, and whether that is an answer of the server.
pub fn user(answer: &Answer) -> (Finding, bool) {
    const CHECK: &str = "user";
    match answer.status {
        200 => (Finding::ok(CHECK, "the user is let in"), true),
        403 if refuses_host(answer) => (Finding::ok(CHECK, "the user is let in"), true),
        401 => (
            Finding::new(
                CHECK,
                Verdict::Failure,
                "the user is refused",
                "Check name and password, and what the proxy knows: ingress-nginx reads the key auth of the Secret that \
                 auth-secret names. A server that has a login of its own behind basic auth refuses everybody",
            ),
            false,
        ),
        403 => (
            Finding::new(
                CHECK,
                Verdict::Failure,
                "the user is known, and may not do this",
                "Give the user the right to read",
            ),
            false,
        ),
        _ => (trouble(CHECK, answer), false),
    }
}

/// No answer at all.
pub fn no_answer(site: &Site, why: &str) -> Finding {
    let advice = match site.is_tls() {
        true => "Look at the proxy's log, and at whether it reaches the server",
        false => {
            "Check that the server runs, its port, and that NetworkPolicies let this machine or pod through"
        }
    };
    Finding::new("answer", Verdict::Failure, format!("no answer: {why}"), advice)
}

/// An answer that is not the one that was asked for, and what usually is behind it.
pub fn trouble(check: &'static str, answer: &Answer) -> Finding {
    let status = answer.status;
    let said = answer.message().map(|message| format!(": {message}")).unwrap_or_default();
    let advice = match status {
        401 => "Name a user with --user and --password-file",
        404 => {
            "There is no MLflow server at this address: check the path (--static-prefix) and what the Ingress leads to"
        }
        408 | 504 => {
            "The proxy gives up too early: raise proxy-read-timeout and proxy-send-timeout (nginx), or see why the server is slow"
        }
        421 | 403 => {
            "The server or a proxy does not serve this name: see --allowed-hosts, and the hosts of the Ingress"
        }
        429 => "Something limits how often may be asked: look at the proxy's limits",
        502 => {
            "The proxy does not reach the server: look at the Service's endpoints and port, and at the pod"
        }
        503 if answer.json().is_some() => "The server is not ready: /readyz says why",
        503 => {
            "No pod is ready, or ingress-nginx misses the Secret of auth-secret or its key auth: kubectl describe ingress"
        }
        200..=299 => "Something else answers at this address: check it, and its path",
        _ => "Look at the server's log",
    };
    Finding::new(check, Verdict::Failure, format!("answered {status}{said}"), advice)
}

#[cfg(test)]
mod tests {
    use super::super::certificate;
    use super::super::site;
    use super::*;
    use crate::doctor::clock::Asked;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use std::time::SystemTime;

    fn answer(status: u16, header: Option<(&'static str, &'static str)>, body: &str) -> Answer {
        let header =
            header.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let now = SystemTime::now();
        let headers: HeaderMap = header.into_iter().collect();
        Answer { status, headers, body: body.into(), asked: Asked { from: now, until: now } }
    }

    fn site_at(url: &str) -> Site {
        Site::new(site::parse(url).unwrap(), &certificate::roots(None).unwrap()).unwrap()
    }

    #[test]
    fn the_edge_is_told_by_its_answer() {
        let outside = site_at("https://mlflow.example.com");
        let basic = Some(("www-authenticate", "Basic realm=x"));
        let away = Some(("location", "https://login.example/?state=geheim"));
        for (answer, verdict, edge, words) in [
            (answer(200, None, "{}"), Verdict::Warning, Edge::Open, "nobody asks"),
            (answer(200, None, "<html>"), Verdict::Failure, Edge::Broken, "200"),
            (answer(401, basic, ""), Verdict::Ok, Edge::Closed, "(Basic)"),
            (answer(403, None, "no"), Verdict::Ok, Edge::Closed, "refused"),
            (answer(403, None, "Invalid Host header - x"), Verdict::Warning, Edge::Open, "nobody asks"),
            (answer(302, away, ""), Verdict::Ok, Edge::Closed, "login.example"),
            (answer(502, None, ""), Verdict::Failure, Edge::Broken, "502"),
        ] {
            let (found, kind) = anonymous(&outside, &answer);
            assert_eq!((found.verdict, kind), (verdict, edge), "{found:?}");
            assert!(found.detail.contains(words) && !found.detail.contains("geheim"), "{found:?}");
        }
        let plain = site_at("http://mlflow.example.com");
        let (found, kind) =
            anonymous(&plain, &answer(308, Some(("location", "https://mlflow.example.com/")), ""));
        assert_eq!((found.verdict, kind), (Verdict::Warning, Edge::Broken), "no password goes there");
        let inside = site_at("http://mlflow.ml.svc:80");
        assert_eq!(anonymous(&inside, &answer(200, None, "{}")).0.verdict, Verdict::Notice);
        assert_eq!(without_tls(&inside).verdict, Verdict::Notice);
        assert_eq!(without_tls(&site_at("http://mlflow.example.com")).verdict, Verdict::Warning);
    }
}
