//! What in a pod does not go together: several replicas with a file for a database, one probe for two questions, and variables that
//! Kubernetes sets by itself.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Container, Manifests, Pod, Setting};

/// The variables that Kubernetes would make of a Service's name, and that mean something else to a server.
const LINKED: [(&str, &str); 2] = [("MLFLOW_PORT", "--port"), ("FERROFLOW_DB_PORT", "--db-port")];

/// Looks at the servers.
pub fn look(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for pod in manifests.servers() {
        let Some(server) = pod.server() else { continue };
        traps.extend(replicas(manifests, &pod, &server));
        traps.extend(probes(&pod, &server));
        traps.extend(links(manifests, &pod, &server));
    }
    traps
}

fn replicas(manifests: &Manifests, pod: &Pod<'_>, server: &Container<'_>) -> Option<Trap> {
    let scaled = manifests.of_kind("HorizontalPodAutoscaler").any(|scaler| {
        let target = &scaler.value["spec"]["scaleTargetRef"];
        scaler.namespace == pod.object.namespace && target["name"] == pod.object.name
    });
    let many = scaled || pod.object.value["spec"]["replicas"].as_u64().is_some_and(|n| n > 1);
    let by_variable = manifests.variables(pod, server).get("MLFLOW_BACKEND_STORE_URI").is_some_and(|setting| {
        matches!(setting, Setting::Literal(uri) | Setting::Config(uri) if uri.starts_with("sqlite"))
    });
    let on_sqlite =
        by_variable || server.option("--backend-store-uri").is_some_and(|uri| uri.starts_with("sqlite"));
    (many && on_sqlite).then(|| {
        let detail = format!(
            "{} has several replicas, each with a SQLite file of its own: runs are here or there",
            pod.object.title()
        );
        Trap::new(Verdict::Failure, detail, "Use PostgreSQL, or one replica")
    })
}

fn probes(pod: &Pod<'_>, server: &Container<'_>) -> Option<Trap> {
    let path = |probe: &str| server.value.get(probe)?.pointer("/httpGet/path")?.as_str();
    let (live, ready) = (path("livenessProbe")?, path("readinessProbe")?);
    (live == ready).then(|| {
        let detail = format!(
            "{} asks {live} both whether to restart and whether to send requests: a database that is away cannot be told",
            pod.object.title()
        );
        Trap::new(Verdict::Notice, detail, "Ask /livez for the one and /readyz for the other (Ferroflow has both)")
    })
}

fn links(manifests: &Manifests, pod: &Pod<'_>, server: &Container<'_>) -> Option<Trap> {
    if pod.spec["enableServiceLinks"] == false {
        return None;
    }
    let variables = manifests.variables(pod, server);
    LINKED.iter().find_map(|(variable, option)| {
        let is_linked = |name: &str| format!("{}_PORT", name.to_ascii_uppercase().replace('-', "_")) == *variable;
        let mut services = manifests.of_kind("Service").filter(|service| service.namespace == pod.object.namespace);
        let service = services.find(|service| is_linked(&service.name))?;
        let is_said = variables.contains_key(*variable) || server.words().iter().any(|word| word.contains(option));
        (!is_said).then(|| {
            let detail = format!(
                "{}: for {} Kubernetes sets {variable} to tcp://.., which the server reads as its own option, and does not start",
                pod.object.title(),
                service.title()
            );
            Trap::new(Verdict::Failure, detail, format!("Set enableServiceLinks: false in the pod, or say {option}"))
        })
    })
}
