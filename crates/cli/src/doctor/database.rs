//! The database: that it lets us in and do our work, its revision, and the way to it.

use super::clock::{self, Asked};
use super::is_internal;
use super::report::{Finding, Verdict, parted};
use crate::config::ServerOptions;
use crate::retry::TRY;
use std::time::{Duration, SystemTime};
use store::checkup::{self, Checkup, Migration, Problem};
use store::schema::{Chain, State};
use store::uri::DatabaseUri;
use store::way::{self, Way};
use tokio::time::timeout;

/// What the checks of a database are called.
pub struct Names {
    login: &'static str,
    rights: &'static str,
    schema: &'static str,
    tls: &'static str,
    latency: &'static str,
    connections: &'static str,
    clock: &'static str,
}

/// That of runs.
pub const TRACKING: Names = Names {
    login: "database.login",
    rights: "database.rights",
    schema: "database.schema",
    tls: "database.tls",
    latency: "database.latency",
    connections: "database.connections",
    clock: "database.clock",
};

/// That of registered models, if it is another one.
pub const REGISTRY: Names = Names {
    login: "registry.login",
    rights: "registry.rights",
    schema: "registry.schema",
    tls: "registry.tls",
    latency: "registry.latency",
    connections: "registry.connections",
    clock: "registry.clock",
};

/// What a request can bear: most take one to three trips to the database.
const SLOW: Duration = Duration::from_millis(20);

/// Logs in and looks; changes nothing.
pub async fn look(uri: &DatabaseUri, options: &ServerOptions, names: &Names) -> Vec<Finding> {
    let migration = if options.data.no_database_migration { Migration::Others } else { Migration::Ours };
    let checkup = match timeout(TRY * 3, checkup::check(uri, migration)).await {
        Ok(Ok(checkup)) => checkup,
        Ok(Err(error)) => return vec![no_login(uri, &error.to_string(), names)],
        Err(_) => return vec![no_login(uri, "the server does not answer", names)],
    };
    let server = format!("{}: {}", uri.display(), checkup.server);
    let mut findings = vec![Finding::ok(names.login, server)];
    findings.extend(rights(&checkup, names));
    findings.push(schema(&checkup, migration, names));
    let DatabaseUri::Postgres(address) = uri else { return findings };
    let from = SystemTime::now();
    match timeout(TRY * 3, way::measure(uri, &options.database.pool())).await {
        Ok(Ok(Some(way))) => {
            let until = SystemTime::now();
            let is_far = address.host_names().any(|host| !host.starts_with('/') && !is_loopback(host));
            let is_outside = address.host_names().any(|host| !host.starts_with('/') && !is_internal(host));
            findings.push(tls(&way, address.checks_certificate(), is_far, is_outside, names));
            findings.push(latency(&way, names));
            let pool = options.database.pool();
            findings.push(connections(&way, pool.size + pool.overflow, names));
            let theirs = SystemTime::UNIX_EPOCH + Duration::from_millis(way.now_ms.unsigned_abs());
            findings.push(clock::compare(names.clock, "The database's clock", theirs, Asked { from, until }));
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => findings.push(no_login(uri, &error.to_string(), names)),
        Err(_) => findings.push(no_login(uri, "the server stopped answering", names)),
    }
    findings
}

fn no_login(uri: &DatabaseUri, error: &str, names: &Names) -> Finding {
    let has_many = matches!(uri, DatabaseUri::Postgres(address) if address.host_names().count() > 1);
    // Of several hosts each one's words come after a semicolon.
    let (detail, advice) = if has_many { (error.to_owned(), None) } else { parted(error) };
    let detail = format!("{}: {}", uri.display(), detail.trim_end_matches('.'));
    let advice = advice.unwrap_or_else(|| advice_on(error).to_owned());
    Finding::new(names.login, Verdict::Failure, detail, advice)
}

fn advice_on(error: &str) -> &'static str {
    let said = |words: &str| error.contains(words);
    if said("password authentication failed") {
        "Check the user and its password: --db-password-file, PGPASSWORD, or the address in MLFLOW_BACKEND_STORE_URI"
    } else if said("does not exist") {
        "Make it, as a superuser: CREATE ROLE .. LOGIN; CREATE DATABASE .. OWNER .."
    } else if said("cannot be found") {
        "Check the host's name and the DNS; in Kubernetes a Service of another namespace is NAME.NAMESPACE.svc"
    } else if said("does not answer") || said("refused") || said("stopped answering") {
        "Check host and port, that the server runs, and that firewalls and NetworkPolicies let this machine through"
    } else {
        "The server's own log says more; `ferroflow db check` and `ferroflow db wait` look again"
    }
}

fn rights(checkup: &Checkup, names: &Names) -> Vec<Finding> {
    let problems = checkup.problems.iter().filter(|problem| !matches!(problem, Problem::Schema(_)));
    let mut findings: Vec<_> = problems
        .map(|problem| {
            let (detail, advice) = match problem {
                Problem::ReadOnly => (
                    "The server takes no writes at present.".to_owned(),
                    Some("It is a standby, or default_transaction_read_only is on: name the primary, or all hosts".into()),
                ),
                problem => parted(&problem.to_string()),
            };
            Finding { check: names.rights, verdict: Verdict::Failure, detail, advice }
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(names.rights, "this user may do what the server does"));
    }
    findings
}

fn schema(checkup: &Checkup, migration: Migration, names: &Names) -> Finding {
    let (check, head) = (names.schema, Chain::Tracking.head());
    match &checkup.found.tracking {
        State::Empty => Finding::notice(check, "no tables yet; the server makes them at its first start"),
        State::At(done) if *done == Chain::Tracking.steps().len() => {
            Finding::ok(check, format!("at revision {head}, MLflow 3.7.0's and ours"))
        }
        State::At(done) if migration == Migration::Ours => {
            let found = Chain::Tracking.revision_after(*done);
            Finding::new(
                check,
                Verdict::Notice,
                format!("at revision {found}; the server brings it to {head} at its start"),
                "Take a backup first; `ferroflow db upgrade --plan` shows the SQL",
            )
        }
        other => {
            let why = other.refuse_unless_at_head(Chain::Tracking).err();
            let why = why.map(|why| why.to_string()).unwrap_or_default();
            let (detail, advice) =
                why.split_once(". ").or_else(|| why.split_once("; ")).unwrap_or((&why, ""));
            let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
            Finding { check, verdict: Verdict::Failure, detail: detail.to_owned(), advice }
        }
    }
}

fn tls(way: &Way, is_checked: bool, is_far: bool, is_outside: bool, names: &Names) -> Finding {
    let check = names.tls;
    match (&way.tls, way.is_pooled) {
        (_, true) => Finding::notice(check, "a pooler is between, which hides whether there is TLS"),
        (Some(version), _) if is_checked => {
            Finding::ok(check, format!("{version}, with the certificate checked"))
        }
        (Some(version), _) => Finding::new(
            check,
            Verdict::Notice,
            format!("{version}, but nobody looks at the certificate, so anybody in between could answer"),
            "Write --db-sslmode verify-full, and name the CA with --db-sslrootcert",
        ),
        (None, _) if !is_far => Finding::ok(check, "none, and none needed on this machine"),
        (None, _) => Finding::new(
            check,
            if is_outside { Verdict::Warning } else { Verdict::Notice },
            "no TLS: the data and, unless it is SCRAM, the password can be read on the way",
            "Switch ssl on at the server, and write --db-sslmode verify-full here",
        ),
    }
}

fn latency(way: &Way, names: &Names) -> Finding {
    let took = format!("{:.1} ms there and back", way.latency.as_secs_f64() * 1e3);
    match way.latency <= SLOW {
        true => Finding::ok(names.latency, took),
        false => Finding::new(
            names.latency,
            Verdict::Warning,
            format!("{took}, which each request pays once or more often"),
            "Run the server near its database: the same region, zone or cluster",
        ),
    }
}

fn connections(way: &Way, pool: usize, names: &Names) -> Finding {
    let check = names.connections;
    if way.is_pooled {
        return Finding::ok(
            check,
            format!("up to {pool} a replica, through a pooler; statements are sent whole"),
        );
    }
    let (limit, used) = (way.max_connections, way.connections);
    let wanted = i64::try_from(pool).unwrap_or(i64::MAX);
    if wanted > limit {
        return Finding::new(
            check,
            Verdict::Warning,
            format!(
                "one replica may want {pool}, and this user gets {limit} in all; the rest fails under load"
            ),
            "Lower --db-pool-size and --db-max-overflow, or raise max_connections or the role's CONNECTION LIMIT",
        );
    }
    let replicas = limit / wanted.max(1);
    Finding::ok(
        check,
        format!("up to {pool} a replica of {limit}, {used} in use now: enough for {replicas} replicas"),
    )
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Way {
        Way {
            tls: Some("TLSv1.3".into()),
            is_pooled: false,
            now_ms: 0,
            latency: Duration::from_millis(1),
            max_connections: 97,
            connections: 5,
        }
    }

    #[test]
    fn a_way_without_tls_is_told_by_how_far_it_goes() {
        let verdict = |way: &Way, checked, far, outside| tls(way, checked, far, outside, &TRACKING).verdict;
        assert_eq!(verdict(&way(), true, true, true), Verdict::Ok);
        assert_eq!(verdict(&way(), false, true, true), Verdict::Notice);
        let open = Way { tls: None, ..way() };
        assert_eq!(verdict(&open, false, false, false), Verdict::Ok);
        assert_eq!(verdict(&open, false, true, false), Verdict::Notice);
        assert_eq!(verdict(&open, false, true, true), Verdict::Warning);
        assert_eq!(verdict(&Way { is_pooled: true, ..way() }, true, true, true), Verdict::Notice);
    }

    #[test]
    fn more_connections_than_there_are_is_a_warning() {
        assert_eq!(connections(&way(), 10, &TRACKING).verdict, Verdict::Ok);
        assert!(connections(&way(), 10, &TRACKING).detail.contains("9 replicas"));
        assert_eq!(connections(&way(), 98, &TRACKING).verdict, Verdict::Warning);
    }

    #[test]
    fn a_slow_way_is_a_warning() {
        assert_eq!(latency(&way(), &TRACKING).verdict, Verdict::Ok);
        assert_eq!(
            latency(&Way { latency: Duration::from_millis(30), ..way() }, &TRACKING).verdict,
            Verdict::Warning
        );
    }
}
