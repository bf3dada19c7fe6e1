//! The login before a server: that it is there, works, and is the only one.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, Object, Setting};

const TYPE: &str = "nginx.ingress.kubernetes.io/auth-type";
const SECRET: &str = "nginx.ingress.kubernetes.io/auth-secret";
const SECRET_TYPE: &str = "nginx.ingress.kubernetes.io/auth-secret-type";

/// ingress-nginx answers 503 to everybody where it cannot read the Secret of a login.
pub fn secret(manifests: &Manifests) -> Vec<Trap> {
    manifests.of_kind("Ingress").filter_map(|ingress| of_ingress(manifests, ingress)).collect()
}

fn of_ingress(manifests: &Manifests, ingress: &Object) -> Option<Trap> {
    let (kind, named) = (ingress.annotation(TYPE), ingress.annotation(SECRET));
    let title = ingress.title();
    let failure = |detail: String, advice: String| Some(Trap::new(Verdict::Failure, detail, advice));
    let (kind, named) = match (kind, named) {
        (None, None) => return None,
        (None, Some(_)) => {
            return failure(
                format!("{title} has an auth-secret and no auth-type, so nobody asks for a login"),
                format!("Add {TYPE}: basic"),
            );
        }
        (Some(_), None) => {
            return failure(
                format!("{title} has an auth-type and no auth-secret: the answer is 503"),
                format!("Add {SECRET}: NAME"),
            );
        }
        (Some(kind), Some(named)) => (kind, named),
    };
    if !["basic", "digest"].contains(&kind.as_str()) {
        return failure(
            format!("{title}: its auth-type is not known to ingress-nginx"),
            format!("Write {TYPE}: basic"),
        );
    }
    let (namespace, name) = named.split_once('/').unwrap_or((ingress.namespace.as_str(), named.as_str()));
    if namespace != ingress.namespace {
        return failure(
            format!(
                "{title} takes its logins from another namespace ({named}), which ingress-nginx refuses by default: the answer is 503"
            ),
            "Put the Secret into the Ingress' namespace, and name it without one".into(),
        );
    }
    let Some(secret) = manifests.find("Secret", namespace, name) else {
        let make = format!("kubectl create secret generic {name} -n NAMESPACE --from-file=auth=FILE");
        let detail = format!(
            "{title} needs the Secret {name}, which is not among the manifests; until it is there, the answer is 503"
        );
        return Some(Trap::new(
            Verdict::Notice,
            detail,
            format!("Make it in the Ingress' namespace: {make}"),
        ));
    };
    let is_map = ingress.annotation(SECRET_TYPE).as_deref() == Some("auth-map");
    if !is_map && !secret.entries().any(|(key, _)| key == "auth") {
        return failure(
            format!("{} has no key auth, which is what {title} reads: the answer is 503", secret.title()),
            "Name the key auth, with lines of htpasswd; or set auth-secret-type: auth-map".into(),
        );
    }
    None
}

/// An Ingress that asks nobody who he is.
pub fn open(manifests: &Manifests) -> Vec<Trap> {
    if own_login(manifests).is_some() {
        return Vec::new();
    }
    let open = manifests.ingresses().filter(|ingress| !has_login(ingress));
    open.map(|ingress| {
        let detail = format!(
            "whoever reaches {} can read and write everything; nobody asks for a login",
            ingress.title()
        );
        let advice = format!("Add {TYPE}: basic and {SECRET}, or auth-url of a proxy that knows your users");
        Trap::new(Verdict::Warning, detail, advice)
    })
    .collect()
}

/// ingress-nginx takes the Authorization header away, so a second login never sees it.
pub fn double(manifests: &Manifests) -> Vec<Trap> {
    let Some((what, is_basic)) = own_login(manifests) else { return Vec::new() };
    let twice = manifests.ingresses().filter(|ingress| ingress.annotation(TYPE).is_some());
    twice
        .map(|ingress| match is_basic {
            true => Trap::new(
                Verdict::Failure,
                format!(
                    "{} asks for a login, and so does {what}: ingress-nginx takes the Authorization header away, and everybody gets 401",
                    ingress.title()
                ),
                format!("Keep one of them: take {TYPE} off the Ingress, or switch the server's off"),
            ),
            false => Trap::new(
                Verdict::Warning,
                format!("{} asks for a login, and so does {what}; clients of the API can answer one at most", ingress.title()),
                format!("Keep one of them: take {TYPE} off the Ingress, or {what} out"),
            ),
        })
        .collect()
}

/// A login holds for the paths of its own Ingress only.
pub fn bypass(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for closed in manifests.of_kind("Ingress").filter(|ingress| has_login(ingress)) {
        for open in manifests.ingresses().filter(|ingress| !has_login(ingress)) {
            if let Some(host) = open.hosts().into_iter().find(|host| closed.hosts().contains(host)) {
                let detail =
                    format!("{} leads to {host} without the login of {}", open.title(), closed.title());
                traps.push(Trap::new(
                    Verdict::Warning,
                    detail,
                    "Give both the same login, or make sure that its paths need none",
                ));
            }
        }
    }
    traps
}

/// Annotations differ from controller to controller; all of them name what they do.
fn has_login(ingress: &Object) -> bool {
    ingress.annotations().any(|name| {
        let word = name.rsplit('/').next().unwrap_or_default();
        word.contains("auth") || word.contains("middlewares") || word.contains("polic")
    })
}

/// The login that a server has itself or beside it, and whether it goes by the Authorization header.
fn own_login(manifests: &Manifests) -> Option<(String, bool)> {
    for pod in manifests.servers() {
        let title = pod.object.title();
        for container in pod.containers() {
            if container.program().contains("oauth2-proxy") {
                return Some((format!("the container {} of {title}", container.name), false));
            }
        }
        let server = pod.server()?;
        let set = |name: &str| {
            let variables = manifests.variables(&pod, &server);
            variables.get(name).is_some_and(|value| *value != Setting::Literal(String::new()))
        };
        if server.option("--app-name").is_some() || set("MLFLOW_AUTH_CONFIG_PATH") {
            return Some((title, true));
        }
    }
    None
}
