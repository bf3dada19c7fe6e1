//! Whom the server answers: hosts and origins, as far as the options show.

use super::report::{Finding, Verdict};
use crate::config::ServerOptions;

/// Looks at the options.
pub fn look(options: &ServerOptions) -> Vec<Finding> {
    let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let security = &options.security;
    if security.is_off() {
        return vec![Finding::new(
            "hosts",
            Verdict::Warning,
            "the checks of Host and Origin are off: any web page can use this server through its visitors",
            "Leave --disable-security-middleware out, and name your hosts with --allowed-hosts",
        )];
    }
    let hosts: Vec<_> = security.hosts().collect();
    let origins: Vec<_> = security.origins().collect();
    vec![of_hosts(&hosts, options.network.host(), in_cluster), of_origins(&origins)]
}

fn of_hosts(hosts: &[&str], listens: &str, in_cluster: bool) -> Finding {
    const CHECK: &str = "hosts";
    let is_open = ["0.0.0.0", "::"].contains(&listens) || in_cluster;
    if hosts.contains(&"*") {
        return Finding::new(
            CHECK,
            Verdict::Warning,
            "every Host is accepted, so DNS rebinding can reach this server",
            "Name the hosts instead of * in --allowed-hosts",
        );
    }
    if hosts.is_empty() && is_open {
        return Finding::new(
            CHECK,
            Verdict::Warning,
            "only this machine and private addresses are accepted; who calls this server by a name gets 403",
            "Name the hosts by which it is called: --allowed-hosts, or MLFLOW_SERVER_ALLOWED_HOSTS",
        );
    }
    if hosts.is_empty() {
        return Finding::ok(CHECK, "this machine and private addresses");
    }
    let is_service = |host: &&str| {
        let name = host.split(':').next().unwrap_or_default();
        name.contains(".svc") || (!name.contains('.') && name != "localhost")
    };
    if in_cluster && !hosts.iter().any(is_service) {
        return Finding::new(
            CHECK,
            Verdict::Notice,
            format!(
                "{}; no Service among them, so clients in the cluster get 403 at SERVICE.NAMESPACE.svc",
                hosts.join(", ")
            ),
            "Add the Service's names to --allowed-hosts, such as mlflow,mlflow.ml,mlflow.ml.svc",
        );
    }
    Finding::ok(CHECK, hosts.join(", "))
}

fn of_origins(origins: &[&str]) -> Finding {
    const CHECK: &str = "origins";
    if origins.contains(&"*") {
        return Finding::new(
            CHECK,
            Verdict::Warning,
            "pages of every origin may read and write here",
            "Name the origins instead of * in --cors-allowed-origins; the server's own pages need none",
        );
    }
    let is_plain = |origin: &&&str| {
        origin
            .strip_prefix("http://")
            .is_some_and(|host| !host.starts_with("localhost") && !host.starts_with("127."))
    };
    match origins.iter().find(is_plain) {
        Some(origin) => Finding::new(
            CHECK,
            Verdict::Notice,
            format!("{origin} is not encrypted, so anybody on the way can put a script into its pages"),
            "Serve these pages by https, and write their origin so",
        ),
        None if origins.is_empty() => Finding::ok(CHECK, "the server's own pages, and those of this machine"),
        None => Finding::ok(CHECK, origins.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_it_is_called_by() {
        for (hosts, listens, in_cluster, verdict) in [
            (&[][..], "127.0.0.1", false, Verdict::Ok),
            (&[], "0.0.0.0", false, Verdict::Warning),
            (&[], "127.0.0.1", true, Verdict::Warning),
            (&["a.example", "*"], "0.0.0.0", false, Verdict::Warning),
            (&["a.example"], "0.0.0.0", false, Verdict::Ok),
            (&["a.example"], "0.0.0.0", true, Verdict::Notice),
            (&["a.example", "mlflow:80"], "0.0.0.0", true, Verdict::Ok),
            (&["a.example", "*.svc.cluster.local"], "0.0.0.0", true, Verdict::Ok),
        ] {
            assert_eq!(
                of_hosts(hosts, listens, in_cluster).verdict,
                verdict,
                "{hosts:?} {listens} {in_cluster}"
            );
        }
    }

    #[test]
    fn origins_are_named_and_encrypted() {
        for (origins, verdict) in [
            (&[][..], Verdict::Ok),
            (&["https://a.example", "http://localhost:3000"], Verdict::Ok),
            (&["http://a.example"], Verdict::Notice),
            (&["*"], Verdict::Warning),
        ] {
            assert_eq!(of_origins(origins).verdict, verdict, "{origins:?}");
        }
    }
}
