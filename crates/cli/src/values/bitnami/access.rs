//! The bitnami chart's values about reaching the server: Service, ingress, network policy, TLS and passwords.

use crate::values::node::Node;
use crate::values::path::{Leaf, Path, Step};
use crate::values::rules::Action::{Ask, Left, Refused, Replaced, To};
use crate::values::rules::{Added, Fate, Rule, rule};
use crate::values::shared;

const NO_USERS: &str =
    "Ferroflow has no users and permissions yet; let the ingress ask for a password meanwhile: basicAuth";
const NO_SERVICE_VALUE: &str = "there is no such value of the Service; make one of your own by extraDeploy";
const HOST: &str = "mlflow-tracking.local";

pub const TABLE: &[Rule] = &[
    rule("tracking.auth.**", "", Ask(auth)),
    rule(
        "tracking.tls.**",
        "",
        Refused {
            on: "tracking.tls.enabled",
            why: "the server speaks HTTP, and TLS ends at the ingress or the Gateway",
        },
    ),
    rule(
        "tracking.metrics.**",
        "",
        Refused {
            on: "tracking.metrics.enabled",
            why: "Ferroflow has no /metrics yet, so there is nothing to scrape",
        },
    ),
    rule("tracking.service.type", "", To("service.type")),
    rule("tracking.service.ports.http", "80", To("service.port")),
    rule(
        "tracking.service.ports.https",
        "443",
        Replaced("the server speaks HTTP, and TLS ends at the ingress or the Gateway"),
    ),
    rule("tracking.service.annotations.**", "{}", To("service.annotations")),
    rule("tracking.service.nodePorts.**", "{http: '', https: ''}", Left(NO_SERVICE_VALUE)),
    rule("tracking.service.clusterIP", "''", Left(NO_SERVICE_VALUE)),
    rule("tracking.service.loadBalancerIP", "''", Left(NO_SERVICE_VALUE)),
    rule("tracking.service.loadBalancerSourceRanges.**", "[]", Left(NO_SERVICE_VALUE)),
    rule("tracking.service.externalTrafficPolicy", "Cluster", Left(NO_SERVICE_VALUE)),
    rule("tracking.service.sessionAffinity", "None", Replaced("any request can go to any pod")),
    rule("tracking.service.sessionAffinityConfig.**", "{}", Replaced("any request can go to any pod")),
    rule("tracking.service.extraPorts.**", "[]", Left(NO_SERVICE_VALUE)),
    rule("tracking.ingress.enabled", "false", To("ingress.enabled")),
    rule("tracking.ingress.ingressClassName", "''", To("ingress.className")),
    rule("tracking.ingress.annotations.**", "{}", To("ingress.annotations")),
    rule("tracking.ingress.hostname", "", Ask(hostname)),
    rule("tracking.ingress.path", "", Ask(said_by_host)),
    rule("tracking.ingress.pathType", "", Ask(said_by_host)),
    rule("tracking.ingress.tls", "false", Ask(tls)),
    rule("tracking.ingress.extraHosts.**", "[]", Ask(extra_host)),
    rule("tracking.ingress.extraTls.**", "[]", Ask(extra_tls)),
    rule("tracking.ingress.apiVersion", "''", Replaced("the Ingress is of networking.k8s.io/v1")),
    rule(
        "tracking.ingress.selfSigned",
        "false",
        Left("the chart makes no certificate by itself; `certificate` asks cert-manager for one"),
    ),
    rule(
        "tracking.ingress.secrets.**",
        "[]",
        Left("make the TLS Secret yourself, and name it in ingress.tls"),
    ),
    rule(
        "tracking.ingress.extraPaths.**",
        "[]",
        Left("write them into ingress.hosts, or make an Ingress of your own by extraDeploy"),
    ),
    rule(
        "tracking.ingress.extraRules.**",
        "[]",
        Left("write them into ingress.hosts, or make an Ingress of your own by extraDeploy"),
    ),
    rule("tracking.networkPolicy.enabled", "true", To("networkPolicy.enabled")),
    rule(
        "tracking.networkPolicy.allowExternal",
        "true",
        Left("name who may come in networkPolicy.allowFrom"),
    ),
    rule("tracking.networkPolicy.allowExternalEgress", "true", Ask(egress)),
    rule(
        "tracking.networkPolicy.addExternalClientAccess",
        "true",
        Left("name who may come in networkPolicy.allowFrom"),
    ),
    rule(
        "tracking.networkPolicy.extraIngress.**",
        "[]",
        Left("name who may come in networkPolicy.allowFrom"),
    ),
    rule("tracking.networkPolicy.extraEgress.**", "[]", To("networkPolicy.egress.extra")),
    rule("tracking.networkPolicy.ingressNSMatchLabels.**", "{}", Ask(namespace_labels)),
    rule("tracking.networkPolicy.ingressNSPodMatchLabels.**", "{}", Ask(pod_labels)),
    rule(
        "tracking.networkPolicy.ingressPodMatchLabels.**",
        "{}",
        Left("name who may come in networkPolicy.allowFrom"),
    ),
];

/// A password is asked for there unless the file says otherwise.
pub fn auth(_: &Leaf, file: &Node) -> Fate {
    match file.truth("tracking.auth.enabled") {
        Some(false) => Fate::Off,
        _ => Fate::left(NO_USERS),
    }
}

/// A host with one path.
fn hostname(leaf: &Leaf, file: &Node) -> Fate {
    let Node::Text(host) = &leaf.value else { return Fate::left("a host is a text") };
    Fate::set(Path::of("ingress.hosts").index(0), host_entry(host, file.text("tracking.ingress.path"), file))
}

fn host_entry(host: &str, path: Option<&str>, file: &Node) -> Node {
    let text = |text: &str| Node::Text(text.to_owned());
    let kind = file.text("tracking.ingress.pathType").unwrap_or("ImplementationSpecific");
    let path = Node::Map(vec![("path".into(), text(path.unwrap_or("/"))), ("pathType".into(), text(kind))]);
    Node::Map(vec![("host".into(), text(host)), ("paths".into(), Node::List(vec![path]))])
}

/// The path and its type, which stand with the host that is always there.
fn said_by_host(_: &Leaf, _: &Node) -> Fate {
    Fate::Carried { to: Path::of("ingress.hosts").index(0).key("paths").index(0), value: None }
}

/// The name of the Secret is the host's there.
fn tls(leaf: &Leaf, file: &Node) -> Fate {
    match leaf.value {
        Node::Bool(true) => {
            let host = file.text("tracking.ingress.hostname").unwrap_or(HOST);
            let entry = vec![
                ("hosts".to_owned(), Node::List(vec![Node::Text(host.to_owned())])),
                ("secretName".to_owned(), Node::Text(format!("{host}-tls"))),
            ];
            Fate::set(Path::of("ingress.tls").index(0), Node::Map(entry))
        }
        _ => Fate::left("this is neither true nor false"),
    }
}

/// An item of `extraHosts`, which is one more host.
fn extra_host(leaf: &Leaf, file: &Node) -> Fate {
    const NO_HOST: &str = "a host has a name and a path";
    let (Some(Node::List(items)), [_, _, _, Step::Index(n), Step::Key(key)]) =
        (file.at("tracking.ingress.extraHosts"), leaf.path.0.as_slice())
    else {
        return Fate::left(NO_HOST);
    };
    let has_name = |item: &&Node| item.text("name").is_some();
    let Some(item) = items.get(*n).filter(has_name) else { return Fate::left(NO_HOST) };
    let first = usize::from(file.text("tracking.ingress.hostname").is_some());
    let to = Path::of("ingress.hosts").index(first + items.iter().take(*n).filter(has_name).count());
    match key.as_str() {
        "name" => Fate::set(to, host_entry(item.text("name").unwrap_or_default(), item.text("path"), file)),
        "path" => Fate::Carried { to, value: None },
        _ => Fate::left(NO_HOST),
    }
}

fn extra_tls(leaf: &Leaf, file: &Node) -> Fate {
    let before = usize::from(file.truth("tracking.ingress.tls") == Some(true));
    let [_, _, _, Step::Index(n), rest @ ..] = leaf.path.0.as_slice() else {
        return Fate::left("this is no list");
    };
    let to = Path::of("ingress.tls").index(before + n).then(rest);
    shared::tls(&Leaf { path: to, value: leaf.value.clone() }, file)
}

fn egress(leaf: &Leaf, _: &Node) -> Fate {
    match leaf.value {
        Node::Bool(false) => Fate::set(Path::of("networkPolicy.egress.enabled"), Node::Bool(true)),
        _ => Fate::left("say it by networkPolicy.egress"),
    }
}

fn namespace_labels(leaf: &Leaf, _: &Node) -> Fate {
    let to = Path::of("networkPolicy.allowFrom").index(0).key("namespaceSelector").key("matchLabels");
    Fate::moved(leaf, to.then(&leaf.path.0[3..]))
}

fn pod_labels(leaf: &Leaf, _: &Node) -> Fate {
    let to = Path::of("networkPolicy.allowFrom").index(0).key("podSelector").key("matchLabels");
    Fate::moved(leaf, to.then(&leaf.path.0[3..]))
}

/// The host that is there without being told.
pub fn add_defaults(file: &Node, added: &mut Vec<Added>) {
    if file.truth("tracking.ingress.enabled") == Some(true) && file.at("tracking.ingress.hostname").is_none()
    {
        let hosts = Node::List(vec![host_entry(HOST, file.text("tracking.ingress.path"), file)]);
        added.push(Added { keys: "ingress.hosts", value: hosts, why: "the bitnami chart's default" });
    }
}

/// What to look at.
pub fn advice(file: &Node) -> Vec<String> {
    let mut advice = Vec::new();
    if file.truth("tracking.auth.enabled") != Some(false) {
        advice.push(
            "The bitnami chart asks for a password unless tracking.auth.enabled is false, and Ferroflow has no users yet: let nobody \
             reach it whom the ingress has not asked for one, by basicAuth and networkPolicy.allowFrom."
                .into(),
        );
    }
    if file.at("tracking.service.type").is_none() {
        advice.push("The bitnami chart's Service is a LoadBalancer unless something else is said, ours a ClusterIP: service.type.".into());
    }
    advice.push("The Service has another name than the bitnami chart's, which ends in -tracking: tell clients inside the cluster.".into());
    advice.extend(shared::shim(file, "tracking.ingress.annotations", "tracking.ingress.tls"));
    advice
}
