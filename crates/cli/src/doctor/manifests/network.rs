//! Who can reach a server inside the cluster, and by which names it lets itself be called.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, Object, Pod, Setting, list, selects};
use server::Security;

/// A login at the Ingress does not protect the Service behind it.
pub fn policy(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for service in manifests.services() {
        let selector = &service.value["spec"]["selector"];
        let pods = manifests
            .servers()
            .filter(|pod| pod.object.namespace == service.namespace && selects(selector, pod.labels));
        if pods.into_iter().all(|pod| is_covered(manifests, &pod)) {
            continue;
        }
        let has_login =
            manifests.ingresses().any(|ingress| ingress.annotations().any(|name| name.contains("auth")));
        let (verdict, but) = match has_login {
            true => (Verdict::Warning, ": the login at the Ingress is not asked for there"),
            false => (Verdict::Notice, ""),
        };
        let detail =
            format!("every pod of the cluster reaches {} and can read and write{but}", service.title());
        let advice =
            "Add a NetworkPolicy that lets in the ingress controller's namespace and your clients' alone";
        traps.push(Trap::new(verdict, detail, advice));
    }
    traps
}

/// A Service of these types is reached from outside, past the Ingress with its certificate and login.
pub fn outside(manifests: &Manifests) -> Vec<Trap> {
    let types = ["LoadBalancer", "NodePort"];
    let open = manifests.services().filter_map(|service| {
        let kind = service.value["spec"]["type"].as_str().filter(|kind| types.contains(kind))?;
        let detail = format!(
            "{} is a {kind}: it is reached from outside by plain HTTP, past every Ingress and its login",
            service.title()
        );
        Some(Trap::new(
            Verdict::Warning,
            detail,
            "Make it a ClusterIP, and let an Ingress or HTTPRoute lead to it",
        ))
    });
    open.collect()
}

fn is_covered(manifests: &Manifests, pod: &Pod<'_>) -> bool {
    manifests.of_kind("NetworkPolicy").any(|policy| {
        let kinds = list(&policy.value["spec"]["policyTypes"]);
        let is_about_coming_in = kinds.is_empty() || kinds.iter().any(|kind| kind == "Ingress");
        let labels = &policy.value["spec"]["podSelector"]["matchLabels"];
        policy.namespace == pod.object.namespace && is_about_coming_in && selects(labels, pod.labels)
    })
}

/// Since MLflow 3.5 a server refuses names that it was not told.
pub fn names(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for pod in manifests.servers() {
        let Some(server) = pod.server() else { continue };
        let title = pod.object.title();
        let variables = manifests.variables(&pod, &server);
        let said = match (server.option("--allowed-hosts"), variables.get("MLFLOW_SERVER_ALLOWED_HOSTS")) {
            (Some(list), _) => Some(list.to_owned()),
            (None, Some(Setting::Literal(list) | Setting::Config(list))) => Some(list.clone()),
            (None, Some(Setting::Elsewhere)) => continue,
            // What other images do by default depends on their version and options.
            (None, None) if !server.is_ours() => continue,
            (None, None) => None,
        };
        let Ok(security) = Security::new(said.as_deref(), None, "NONE") else { continue };
        let services: Vec<_> =
            manifests.services().filter(|service| service.namespace == pod.object.namespace).collect();
        for host in hosts_of(manifests, &services) {
            if !security.allows_host(host) {
                let detail = format!("{title} is reached as {host}, and answers 403 to that name");
                traps.push(Trap::new(
                    Verdict::Failure,
                    detail,
                    format!("Add {host} to --allowed-hosts or MLFLOW_SERVER_ALLOWED_HOSTS"),
                ));
            }
        }
        for service in &services {
            let full = match service.namespace.as_str() {
                "" => service.name.clone(),
                namespace => format!("{}.{namespace}.svc", service.name),
            };
            if !security.allows_host(&full) {
                let detail = format!("{title} answers 403 to clients in the cluster, which call it {full}");
                traps.push(Trap::new(
                    Verdict::Notice,
                    detail,
                    format!("Add {full} to --allowed-hosts or MLFLOW_SERVER_ALLOWED_HOSTS"),
                ));
            }
        }
    }
    traps
}

/// The names outside that lead to one of the Services.
fn hosts_of<'a>(manifests: &'a Manifests, services: &[&Object]) -> Vec<&'a str> {
    let is_one = |namespace: &str, name: &str| {
        services.iter().any(|one| one.namespace == namespace && one.name == name)
    };
    let mut hosts = Vec::new();
    for ingress in manifests.of_kind("Ingress") {
        if ingress.backends().iter().any(|name| is_one(&ingress.namespace, name)) {
            hosts.extend(ingress.hosts());
        }
    }
    for route in manifests.of_kind("HTTPRoute") {
        let rules = list(&route.value["spec"]["rules"]).iter();
        let mut backends =
            rules.flat_map(|rule| list(&rule["backendRefs"])).filter_map(|backend| backend["name"].as_str());
        if backends.any(|name| is_one(&route.namespace, name)) {
            hosts.extend(route.texts("/spec/hostnames"));
        }
    }
    // What a wildcard leads to is not known.
    hosts.retain(|host| !host.contains('*'));
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}
