//! Kubernetes objects as they were written, and the way around in them.

use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that was given.
#[derive(Default)]
pub struct Manifests(Vec<Object>);

/// One object.
pub struct Object {
    pub kind: String,
    pub name: String,
    /// Empty where neither the object nor the caller names one.
    pub namespace: String,
    pub value: Value,
}

/// The pods that an object makes.
pub struct Pod<'a> {
    pub object: &'a Object,
    pub labels: &'a Value,
    pub spec: &'a Value,
}

/// A container of a pod.
pub struct Container<'a> {
    pub name: &'a str,
    pub image: &'a str,
    pub is_init: bool,
    pub value: &'a Value,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// It stands there.
    Literal(String),
    /// It stands in a ConfigMap.
    Config(String),
    /// It is in a Secret, or not known.
    Elsewhere,
}

impl Manifests {
    /// Adds the documents of a text.
    ///
    /// # Errors
    /// The place of what is no YAML. The parser's own words hold pieces of the text, in which there may be secrets.
    pub fn add(&mut self, text: &str, namespace: &str) -> Result<(), String> {
        // As Kubernetes reads it: the last one counts.
        let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins };
        let documents: Vec<Value> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
                let place = error.location().map(|at| format!("line {}, column {}", at.line(), at.column()));
                format!("{} is no YAML", place.unwrap_or_else(|| "what it holds".to_owned()))
            })?;
        documents.into_iter().for_each(|document| self.add_object(document, namespace));
        Ok(())
    }

    fn add_object(&mut self, value: Value, namespace: &str) {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let Some(kind) = text("/kind") else { return };
        if let (true, Some(items)) = (kind.ends_with("List"), value["items"].as_array()) {
            return items.iter().for_each(|item| self.add_object(item.clone(), namespace));
        }
        let name = text("/metadata/name").unwrap_or_default();
        let namespace = text("/metadata/namespace").unwrap_or_else(|| namespace.to_owned());
        self.0.push(Object { kind, name, namespace, value });
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.0.iter().filter(move |object| object.kind == kind)
    }

    /// One object.
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.of_kind(kind).find(|object| object.namespace == namespace && object.name == name)
    }

    /// Everything that makes pods.
    pub fn pods(&self) -> impl Iterator<Item = Pod<'_>> {
        self.0.iter().filter_map(|object| {
            let template = match object.kind.as_str() {
                "Pod" => Some(&object.value),
                "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
                    object.value.pointer("/spec/template")
                }
                "CronJob" => object.value.pointer("/spec/jobTemplate/spec/template"),
                _ => None,
            }?;
            let labels = template.pointer("/metadata/labels").unwrap_or(&Value::Null);
            Some(Pod { object, labels, spec: template.get("spec")? })
        })
    }

    /// The pods that serve: they stay, and one of their containers is a tracking server.
    pub fn servers(&self) -> impl Iterator<Item = Pod<'_>> {
        let stays = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];
        self.pods().filter(move |pod| stays.contains(&pod.object.kind.as_str()) && pod.server().is_some())
    }

    /// The Services that lead to servers.
    pub fn services(&self) -> impl Iterator<Item = &Object> {
        self.of_kind("Service").filter(|service| {
            let selector = &service.value["spec"]["selector"];
            self.servers().any(|pod| {
                pod.object.namespace == service.namespace
                    && selector.is_object()
                    && selects(selector, pod.labels)
            })
        })
    }

    /// The Ingresses that lead to servers; to something that is not here counts, too.
    pub fn ingresses(&self) -> impl Iterator<Item = &Object> {
        self.of_kind("Ingress").filter(|ingress| {
            let backends = ingress.backends();
            let is_here = |name: &&str| self.find("Service", &ingress.namespace, name).is_some();
            !backends.iter().any(is_here)
                || self.services().any(|service| {
                    service.namespace == ingress.namespace && backends.contains(&service.name.as_str())
                })
        })
    }

    /// The variables of a container.
    pub fn variables(&self, pod: &Pod<'_>, container: &Container<'_>) -> BTreeMap<String, Setting> {
        let mut found = BTreeMap::new();
        for from in list(&container.value["envFrom"]) {
            let prefix = from["prefix"].as_str().unwrap_or_default();
            let (kind, name) = match (&from["configMapRef"]["name"], &from["secretRef"]["name"]) {
                (Value::String(name), _) => ("ConfigMap", name),
                (_, Value::String(name)) => ("Secret", name),
                _ => continue,
            };
            let Some(object) = self.find(kind, &pod.object.namespace, name) else { continue };
            for (key, value) in object.entries() {
                let setting = match kind {
                    "ConfigMap" => Setting::Config(value),
                    _ => Setting::Elsewhere,
                };
                found.insert(format!("{prefix}{key}"), setting);
            }
        }
        for variable in list(&container.value["env"]) {
            let Some(name) = variable["name"].as_str() else { continue };
            let config = &variable["valueFrom"]["configMapKeyRef"];
            let setting = match (text(&variable["value"]), config["name"].as_str(), config["key"].as_str()) {
                (Some(value), ..) => Setting::Literal(value),
                (None, Some(map), Some(key)) => {
                    let map = self.find("ConfigMap", &pod.object.namespace, map);
                    let value = map.and_then(|map| map.entries().find(|(name, _)| name == key));
                    value.map_or(Setting::Elsewhere, |(_, value)| Setting::Config(value))
                }
                _ if variable.get("valueFrom").is_some() => Setting::Elsewhere,
                _ => Setting::Literal(String::new()),
            };
            found.insert(name.to_owned(), setting);
        }
        found
    }
}

impl Object {
    /// For people.
    pub fn title(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<String> {
        text(self.value.pointer("/metadata/annotations")?.get(name)?)
    }

    /// The names of all annotations.
    pub fn annotations(&self) -> impl Iterator<Item = &str> {
        let all = self.value.pointer("/metadata/annotations").and_then(Value::as_object);
        all.into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The texts of a list.
    pub fn texts(&self, pointer: &str) -> Vec<&str> {
        let found = self.value.pointer(pointer).map(list).unwrap_or_default();
        found.iter().filter_map(Value::as_str).collect()
    }

    /// Keys and values of a ConfigMap or Secret, as they are written.
    pub fn entries(&self) -> impl Iterator<Item = (String, String)> {
        let parts = ["data", "stringData", "binaryData"];
        let maps = parts.into_iter().filter_map(move |part| self.value.get(part)?.as_object());
        maps.flatten().map(|(key, value)| (key.clone(), text(value).unwrap_or_default()))
    }

    /// Of an Ingress: the hosts of its rules.
    pub fn hosts(&self) -> Vec<&str> {
        let rules = list(&self.value["spec"]["rules"]);
        rules.iter().filter_map(|rule| rule["host"].as_str()).collect()
    }

    /// Of an Ingress: the Secrets of its certificates, with the hosts they are for.
    pub fn tls(&self) -> Vec<(&str, Vec<&str>)> {
        let entries = list(&self.value["spec"]["tls"]).iter();
        let parts = entries.map(|entry| {
            let hosts = list(&entry["hosts"]).iter().filter_map(Value::as_str);
            (entry["secretName"].as_str().unwrap_or_default(), hosts.collect())
        });
        parts.collect()
    }

    /// Of an Ingress: the Services it leads to.
    pub fn backends(&self) -> Vec<&str> {
        let rules = list(&self.value["spec"]["rules"]).iter();
        let paths = rules.flat_map(|rule| list(&rule["http"]["paths"]));
        let backends = paths.map(|path| &path["backend"]).chain([&self.value["spec"]["defaultBackend"]]);
        backends.filter_map(|backend| backend["service"]["name"].as_str()).collect()
    }

    /// Of an Ingress: its class.
    pub fn class(&self) -> Option<String> {
        text(&self.value["spec"]["ingressClassName"])
            .or_else(|| self.annotation("kubernetes.io/ingress.class"))
    }
}

impl<'a> Pod<'a> {
    /// All containers, those that run first before the others.
    pub fn containers(&self) -> Vec<Container<'a>> {
        let of = |list_name: &str, is_init: bool| {
            let found = self.spec.get(list_name).map(list).unwrap_or_default();
            found.iter().map(move |value| Container {
                name: value["name"].as_str().unwrap_or_default(),
                image: value["image"].as_str().unwrap_or_default(),
                is_init,
                value,
            })
        };
        of("initContainers", true).chain(of("containers", false)).collect()
    }

    /// The tracking server among the containers.
    pub fn server(&self) -> Option<Container<'a>> {
        self.containers().into_iter().find(Container::is_server)
    }
}

impl Container<'_> {
    /// Command and arguments.
    pub fn words(&self) -> Vec<&str> {
        let parts = ["command", "args"]
            .into_iter()
            .flat_map(|part| self.value.get(part).map(list).unwrap_or_default());
        parts.filter_map(Value::as_str).collect()
    }

    /// An option's value, as `--name=value` or `--name value`.
    pub fn option(&self, name: &str) -> Option<&str> {
        let words = self.words();
        words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)? {
            "" => words.get(at + 1).copied(),
            rest => rest.strip_prefix('='),
        })
    }

    /// The image's name without registry, tag and digest.
    pub fn program(&self) -> &str {
        let name = parts_of(self.image).0;
        name.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is Ferroflow.
    pub fn is_ours(&self) -> bool {
        let command = self.words().first().map(|word| word.rsplit('/').next().unwrap_or_default());
        self.program().contains("ferroflow") || command == Some("ferroflow")
    }

    /// Whether it changes the schema of the database.
    pub fn migrates(&self) -> bool {
        let words = self.words().join(" ");
        let is_named_so = self.is_init && self.name.contains("migrat");
        is_named_so || words.contains("db upgrade") || words.contains("migrations.py")
    }

    fn is_server(&self) -> bool {
        let is_tracker = self.is_ours() || self.program().contains("mlflow");
        let words = self.words();
        // An image's own command is not known here; what has other words does something else.
        let serves =
            words.is_empty() || words.iter().any(|word| word.split(' ').any(|w| w == "server" || w == "ui"));
        !self.is_init && is_tracker && serves
    }
}

/// An image's name, and its tag or digest.
pub fn parts_of(image: &str) -> (&str, Option<&str>) {
    if let Some((name, digest)) = image.split_once('@') {
        return (parts_of(name).0, Some(digest));
    }
    match image.rsplit_once(':') {
        // A port of the registry is no tag.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

/// The items of a list, none of anything else.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or what Kubernetes would have as one.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether all of the selector's labels are there.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().into_iter().flatten();
    wanted.into_iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// Whether a name of a certificate stands for a host.
pub fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    }
}
