//! The bitnami chart's values of the server's pods: `tracking`, but for what is about reaching it.

use crate::values::node::Node;
use crate::values::path::{Leaf, Path, Step};
use crate::values::rules::Action::{Ask, Left, Refused, Replaced, To};
use crate::values::rules::{Fate, Rule, rule};
use crate::values::shared;

const OWN_PROBES: &str = "the probes ask /livez and /readyz; of them only the times can be said: startupProbe, livenessProbe, readinessProbe";
const OWN_COMMAND: &str =
    "the container runs `ferroflow server`; say what you need by extraArgs and extraFlags";

pub const TABLE: &[Rule] = &[
    rule(
        "tracking.enabled",
        "true",
        Left("the chart is the tracking server; without it there is nothing to install"),
    ),
    rule("tracking.replicaCount", "1", To("replicaCount")),
    rule("tracking.host", "0.0.0.0", To("serverHost")),
    rule("tracking.containerPorts.http", "5000", To("service.containerPort")),
    rule("tracking.startupProbe.**", "", Ask(startup_probe)),
    rule("tracking.livenessProbe.**", "", Ask(shared::probe)),
    rule("tracking.readinessProbe.**", "", Ask(shared::probe)),
    rule("tracking.customStartupProbe.**", "{}", Left(OWN_PROBES)),
    rule("tracking.customLivenessProbe.**", "{}", Left(OWN_PROBES)),
    rule("tracking.customReadinessProbe.**", "{}", Left(OWN_PROBES)),
    rule(
        "tracking.resourcesPreset",
        "",
        Replaced("the chart has requests and limits that fit Ferroflow, which needs much less"),
    ),
    rule("tracking.resources.**", "{}", To("resources")),
    rule(
        "tracking.podSecurityContext.**",
        "{enabled: true, fsGroup: 1001, fsGroupChangePolicy: Always, sysctls: [], supplementalGroups: []}",
        Ask(pod_context),
    ),
    rule(
        "tracking.containerSecurityContext.**",
        "{enabled: true, seLinuxOptions: {}, runAsUser: 1001, runAsGroup: 1001, runAsNonRoot: true, privileged: false, \
         readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, \
         seccompProfile: {type: RuntimeDefault}}",
        Ask(container_context),
    ),
    rule("tracking.command.**", "[]", Left(OWN_COMMAND)),
    rule("tracking.args.**", "[]", Left(OWN_COMMAND)),
    rule("tracking.extraArgs.**", "[]", Ask(extra_arg)),
    rule("tracking.automountServiceAccountToken", "", Ask(shared::automount)),
    rule("tracking.hostAliases.**", "[]", Left("there is no such value; dnsConfig or a Service may do")),
    rule("tracking.podLabels.**", "{}", To("extraPodLabels")),
    rule("tracking.podAnnotations.**", "{}", To("podAnnotations")),
    rule("tracking.podAffinityPreset", "''", Left("say it by affinity")),
    rule("tracking.podAntiAffinityPreset", "soft", Replaced("pods are spread over nodes by topologySpread")),
    rule("tracking.nodeAffinityPreset.**", "{type: '', key: '', values: []}", Left("say it by affinity")),
    rule("tracking.affinity.**", "{}", To("affinity")),
    rule("tracking.nodeSelector.**", "{}", To("nodeSelector")),
    rule("tracking.tolerations.**", "[]", To("tolerations")),
    rule("tracking.topologySpreadConstraints.**", "[]", To("topologySpreadConstraints")),
    rule("tracking.priorityClassName", "''", To("priorityClassName")),
    rule("tracking.runtimeClassName", "''", To("runtimeClassName")),
    rule("tracking.schedulerName", "''", Left("there is no such value")),
    rule("tracking.terminationGracePeriodSeconds", "''", To("terminationGracePeriodSeconds")),
    rule(
        "tracking.lifecycleHooks.**",
        "{}",
        Left("the server ends what it has begun by itself: preStopSleepSeconds, shutdownGraceSeconds"),
    ),
    rule("tracking.updateStrategy.type", "RollingUpdate", To("strategy.type")),
    rule("tracking.updateStrategy.rollingUpdate.**", "{}", To("strategy.rollingUpdate")),
    rule("tracking.extraEnvVars.**", "[]", Ask(variable)),
    rule(
        "tracking.extraEnvVarsCM",
        "''",
        Left("variables come from values or Secrets: extraEnvVars, extraSecretNamesForEnvFrom"),
    ),
    rule("tracking.extraEnvVarsSecret", "''", Ask(variables_of_secret)),
    rule("tracking.extraVolumes.**", "[]", To("extraVolumes")),
    rule("tracking.extraVolumeMounts.**", "[]", To("extraVolumeMounts")),
    rule("tracking.sidecars.**", "[]", To("extraContainers")),
    rule("tracking.initContainers.**", "[]", To("initContainers")),
    rule("tracking.enableDefaultInitContainers", "true", Ask(default_containers)),
    rule("tracking.pdb.create", "true", To("podDisruptionBudget.enabled")),
    rule(
        "tracking.pdb.minAvailable",
        "''",
        Left("say it the other way round: podDisruptionBudget.maxUnavailable"),
    ),
    rule("tracking.pdb.maxUnavailable", "''", To("podDisruptionBudget.maxUnavailable")),
    rule("tracking.autoscaling.hpa.enabled", "false", To("autoscaling.enabled")),
    rule("tracking.autoscaling.hpa.minReplicas", "''", To("autoscaling.minReplicas")),
    rule("tracking.autoscaling.hpa.maxReplicas", "''", To("autoscaling.maxReplicas")),
    rule("tracking.autoscaling.hpa.targetCPU", "''", Ask(metric)),
    rule("tracking.autoscaling.hpa.targetMemory", "''", Ask(metric)),
    rule(
        "tracking.autoscaling.vpa.**",
        "",
        Refused {
            on: "tracking.autoscaling.vpa.enabled",
            why: "there is no VerticalPodAutoscaler; make one by extraDeploy",
        },
    ),
    rule("tracking.persistence.enabled", "", To("persistence.enabled")),
    rule("tracking.persistence.mountPath", "", Replaced("the volume is /data")),
    rule("tracking.persistence.storageClass", "''", To("persistence.storageClass")),
    rule("tracking.persistence.annotations.**", "{}", To("persistence.annotations")),
    rule("tracking.persistence.accessModes.**", "[ReadWriteOnce]", To("persistence.accessModes")),
    rule("tracking.persistence.size", "", To("persistence.size")),
    rule("tracking.persistence.existingClaim", "''", To("persistence.existingClaim")),
    rule(
        "tracking.persistence.selector.**",
        "{}",
        Left("make the claim yourself, and name it in persistence.existingClaim"),
    ),
    rule(
        "tracking.persistence.dataSource.**",
        "{}",
        Left("make the claim yourself, and name it in persistence.existingClaim"),
    ),
    rule("tracking.serviceAccount.create", "true", To("serviceAccount.create")),
    rule("tracking.serviceAccount.name", "''", To("serviceAccount.name")),
    rule("tracking.serviceAccount.annotations.**", "{}", To("serviceAccount.annotations")),
    rule("tracking.serviceAccount.automountServiceAccountToken", "", Ask(shared::automount)),
];

fn startup_probe(leaf: &Leaf, file: &Node) -> Fate {
    match file.truth("tracking.startupProbe.enabled") {
        Some(true) => shared::probe(leaf, file),
        _ => Fate::Off,
    }
}

fn pod_context(leaf: &Leaf, file: &Node) -> Fate {
    context(leaf, file, "tracking.podSecurityContext.enabled", "podSecurityContext")
}

fn container_context(leaf: &Leaf, file: &Node) -> Fate {
    context(leaf, file, "tracking.containerSecurityContext.enabled", "securityContext")
}

fn context(leaf: &Leaf, file: &Node, enabled: &str, to: &str) -> Fate {
    if file.truth(enabled) == Some(false) {
        return Fate::left(format!("the chart always sets it; change single values by {to}"));
    }
    match leaf.path.0.as_slice() {
        [_, _] => Fate::left("this is no map"),
        [_, _, Step::Key(key)] if key == "enabled" => Fate::Default,
        [_, _, rest @ ..] => Fate::moved(leaf, Path::of(to).then(rest)),
        _ => Fate::left("this is no map"),
    }
}

/// `--some-option=value`, which is `extraArgs.someOption` in ours.
fn extra_arg(leaf: &Leaf, _: &Node) -> Fate {
    let Node::Text(text) = &leaf.value else { return Fate::left("an argument is a text") };
    let Some((name, value)) = text.strip_prefix("--").and_then(|text| text.split_once('=')) else {
        return Fate::left(
            "write options with a value into extraArgs, as someOption: value, and those without into extraFlags",
        );
    };
    let to = Path::of("extraArgs").key(&camel(name));
    match shared::option_of(name, leaf, to.clone()) {
        Fate::Carried { .. } => Fate::set(to, Node::Text(value.to_owned())),
        other => other,
    }
}

fn camel(option: &str) -> String {
    let mut words = option.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel + letters.as_str()
    })
}

fn variable(leaf: &Leaf, file: &Node) -> Fate {
    shared::variable(leaf, file, "tracking.extraEnvVars")
}

fn variables_of_secret(leaf: &Leaf, _: &Node) -> Fate {
    Fate::moved(leaf, Path::of("extraSecretNamesForEnvFrom").index(0))
}

fn default_containers(_: &Leaf, _: &Node) -> Fate {
    Fate::left(
        "set backendStore.databaseConnectionCheck and backendStore.databaseMigration to false, if neither is wanted",
    )
}

/// A target of CPU or memory in percent.
fn metric(leaf: &Leaf, file: &Node) -> Fate {
    if file.truth("tracking.autoscaling.hpa.enabled") != Some(true) {
        return Fate::Off;
    }
    let is_cpu = leaf.path == Path::of("tracking.autoscaling.hpa.targetCPU");
    let has_cpu = file.at("tracking.autoscaling.hpa.targetCPU").is_some_and(|target| !target.is_empty());
    let name = if is_cpu { "cpu" } else { "memory" };
    let percent = match &leaf.value {
        Node::Int(percent) => Some(*percent),
        Node::Text(percent) => percent.parse().ok(),
        _ => None,
    };
    let Some(percent) = percent else {
        return Fate::left("a target is a number of percent; say it by autoscaling.metrics");
    };
    let map = |entries: Vec<(&str, Node)>| {
        Node::Map(entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    };
    let text = |text: &str| Node::Text(text.to_owned());
    let target = map(vec![("type", text("Utilization")), ("averageUtilization", Node::Int(percent))]);
    let resource = map(vec![("name", text(name)), ("target", target)]);
    let n = usize::from(!is_cpu && has_cpu);
    Fate::set(
        Path::of("autoscaling.metrics").index(n),
        map(vec![("type", text("Resource")), ("resource", resource)]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_keys() {
        assert_eq!(camel("artifacts-destination"), "artifactsDestination");
        assert_eq!(shared::kebab(&camel("db-pool-size")), "db-pool-size");
    }
}
