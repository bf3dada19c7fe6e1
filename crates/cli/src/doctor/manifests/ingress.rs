//! What an Ingress does to uploads, and to those who come without TLS.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, Object, covers};

const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// ingress-nginx has been given up by its makers.
pub fn class(manifests: &Manifests) -> Vec<Trap> {
    let nginx = manifests.of_kind("Ingress").filter(|ingress| ingress.class().as_deref() == Some("nginx"));
    nginx
        .map(|ingress| {
            let detail = format!("{} is of the class nginx; ingress-nginx had its last release in March 2026", ingress.title());
            Trap::new(
                Verdict::Notice,
                detail,
                "Traefik 3.6 and later serve the same class and annotations (providers.kubernetesIngressNGINX); or use an HTTPRoute",
            )
        })
        .collect()
}

/// nginx takes bodies of 1 MiB, unless it is told otherwise.
pub fn body_size(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for ingress in manifests.ingresses().filter(|ingress| is_nginx(ingress)) {
        let own = format!("{NGINX}proxy-body-size");
        let said = ingress.annotation(&own).or_else(|| ingress.annotation("nginx.org/client-max-body-size"));
        let trap = match said.as_deref().map(str::trim) {
            None => Trap::new(
                Verdict::Warning,
                format!(
                    "{} takes bodies of up to 1 MiB, nginx' default: a larger model is answered 413",
                    ingress.title()
                ),
                format!("Set the annotation {own}: \"0\""),
            ),
            Some("0") => continue,
            Some(limit) => {
                let limit: String = limit.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
                let detail = format!(
                    "{} takes bodies of up to {limit}; a larger model is answered 413",
                    ingress.title()
                );
                Trap::new(
                    Verdict::Notice,
                    detail,
                    format!("Set the annotation {own}: \"0\", unless the limit is wanted"),
                )
            }
        };
        traps.push(trap);
    }
    traps
}

/// nginx writes an upload to its disk before it sends it on.
pub fn buffering(manifests: &Manifests) -> Vec<Trap> {
    let own = format!("{NGINX}proxy-request-buffering");
    let buffers = |ingress: &&Object| is_nginx(ingress) && ingress.annotation(&own).as_deref() != Some("off");
    manifests
        .ingresses()
        .filter(buffers)
        .map(|ingress| {
            let detail =
                format!("{} keeps an upload on the controller's disk until it is complete", ingress.title());
            Trap::new(
                Verdict::Notice,
                detail,
                format!("Set the annotation {own}: \"off\", so that it is sent on as it comes"),
            )
        })
        .collect()
}

/// A host without TLS is one where passwords can be read.
pub fn tls(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for ingress in manifests.ingresses() {
        let covered: Vec<_> = ingress.tls().into_iter().flat_map(|(_, hosts)| hosts).collect();
        let open: Vec<_> = ingress
            .hosts()
            .into_iter()
            .filter(|host| !covered.iter().any(|name| covers(name, host)))
            .collect();
        if !open.is_empty() || ingress.tls().is_empty() {
            let hosts = if open.is_empty() { "every host".to_owned() } else { open.join(", ") };
            let detail = format!(
                "{} has no TLS for {hosts}: passwords and data can be read on the way",
                ingress.title()
            );
            traps.push(Trap::new(Verdict::Warning, detail, "Name the hosts and a Secret in spec.tls"));
        }
    }
    traps
}

fn is_nginx(ingress: &Object) -> bool {
    ingress.class().is_some_and(|class| class.contains("nginx"))
        || ingress.annotations().any(|name| name.starts_with(NGINX))
}
