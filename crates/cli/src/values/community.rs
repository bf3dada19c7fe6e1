//! The community chart, whose keys ours has: what differs is what Ferroflow replaces or refuses.

use super::node::Node;
use super::path::{Leaf, Path, Step};
use super::rules::Action::{Ask, Refused, Replaced, Same};
use super::rules::{Fate, Rule, rule};
use super::shared;

pub const TABLES: &[&[Rule]] = &[SERVER, POD, STORES, ACCESS, OTHERS];

const NO_DATABASE_HERE: &str = "no database comes with the chart; move the data to a PostgreSQL of yours (pg_dump, pg_restore), and \
                                name it in backendStore.postgres";
const NO_MYSQL: &str = "Ferroflow has PostgreSQL and SQLite, not MySQL; move the data to PostgreSQL (pgloader does), and name it in \
                        backendStore.postgres";
const NO_MSSQL: &str = "Ferroflow has PostgreSQL and SQLite, not SQL Server; move the data to PostgreSQL, and name it in backendStore.postgres";
const NO_USERS: &str =
    "Ferroflow has no users and permissions yet; let the ingress ask for a password meanwhile: basicAuth";
const NO_OIDC: &str = "Ferroflow has no login yet; put a proxy such as oauth2-proxy in front of it, by the ingress' annotations";
const NO_METRICS: &str = "Ferroflow has no /metrics yet, so there is nothing to scrape";

const SERVER: &[Rule] = &[
    rule("replicaCount", "1", Same),
    rule("image.repository", "", Ask(shared::repository)),
    rule("image.tag", "''", Ask(shared::tag)),
    rule("image.digest", "''", Ask(shared::tag)),
    rule("image.pullPolicy", "IfNotPresent", Same),
    rule("imagePullSecrets.**", "[]", Same),
    rule("initImages.**", "{}", Replaced("all containers run the one image of the chart")),
    rule("strategy.type", "RollingUpdate", Same),
    rule("strategy.rollingUpdate.**", "{maxSurge: 100%, maxUnavailable: 0}", Same),
    rule("nameOverride", "''", Same),
    rule("fullnameOverride", "''", Same),
    rule("revisionHistoryLimit", "~", Same),
    rule("log.enabled", "true", Same),
    rule("log.level", "info", Same),
    rule("telemetry.enabled", "false", Replaced("Ferroflow sends nothing to anybody")),
    rule("flaskServerSecretKey", "''", Replaced("there are no sessions to sign")),
    rule("extraArgs.**", "{}", Ask(extra_arg)),
    rule("extraFlags.**", "[]", Ask(extra_flag)),
    rule("extraEnvVars.**", "{}", Same),
    rule("extraSecretNamesForEnvFrom.**", "[]", Same),
];

const POD: &[Rule] = &[
    rule("serviceAccount.create", "true", Same),
    rule("serviceAccount.automount", "", Ask(shared::automount)),
    rule("serviceAccount.annotations.**", "{}", Same),
    rule("serviceAccount.name", "''", Same),
    rule("deploymentAnnotations.**", "{}", Same),
    rule("podAnnotations.**", "{}", Same),
    rule("extraPodLabels.**", "{}", Same),
    rule("podSecurityContext.**", "{fsGroup: 1001, fsGroupChangePolicy: OnRootMismatch}", Same),
    rule(
        "securityContext.**",
        "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true, runAsNonRoot: true, \
         runAsUser: 1001, runAsGroup: 1001}",
        Same,
    ),
    rule("resources.**", "{}", Same),
    rule("livenessProbe.**", PROBE, Ask(shared::probe)),
    rule("readinessProbe.**", PROBE, Ask(shared::probe)),
    rule("nodeSelector.**", "{}", Same),
    rule("tolerations.**", "[]", Same),
    rule("affinity.**", "{}", Same),
    rule("priorityClassName", "''", Same),
    rule("initContainers.**", "[]", Same),
    rule("extraContainers.**", "[]", Same),
    rule("extraVolumes.**", "[]", Same),
    rule("extraVolumeMounts.**", "[]", Same),
    rule("autoscaling.enabled", "false", Same),
    rule("autoscaling.minReplicas", "1", Same),
    rule("autoscaling.maxReplicas", "5", Same),
    rule("autoscaling.metrics.**", METRICS, Same),
    rule("autoscaling.behavior.**", "{}", Same),
];

const PROBE: &str = "{initialDelaySeconds: 10, periodSeconds: 30, timeoutSeconds: 3, failureThreshold: 5}";
const METRICS: &str = "[{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}, \
                        {type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}]";

const STORES: &[Rule] = &[
    rule("backendStore.databaseMigration", "false", Same),
    rule("backendStore.databaseConnectionCheck", "false", Same),
    rule("backendStore.defaultSqlitePath", "':memory:'", Same),
    rule("backendStore.postgres.enabled", "false", Same),
    rule("backendStore.postgres.host", "''", Same),
    rule("backendStore.postgres.port", "5432", Same),
    rule("backendStore.postgres.database", "''", Same),
    rule("backendStore.postgres.user", "''", Ask(login)),
    rule("backendStore.postgres.password", "''", Ask(login)),
    rule("backendStore.postgres.driver", "''", Replaced("it is a part of SQLAlchemy")),
    rule("backendStore.mysql.**", "", Refused { on: "backendStore.mysql.enabled", why: NO_MYSQL }),
    rule("backendStore.mssql.**", "", Refused { on: "backendStore.mssql.enabled", why: NO_MSSQL }),
    rule("backendStore.existingDatabaseSecret.name", "''", Same),
    rule("backendStore.existingDatabaseSecret.usernameKey", "username", Same),
    rule("backendStore.existingDatabaseSecret.passwordKey", "password", Same),
    rule("postgresql.**", "", Refused { on: "postgresql.enabled", why: NO_DATABASE_HERE }),
    rule("mysql.**", "", Refused { on: "mysql.enabled", why: NO_MYSQL }),
    rule(
        "minio.**",
        "",
        Refused {
            on: "minio.enabled",
            why: "no storage comes with the chart; name a bucket of yours in artifactRoot.s3, with its endpointUrl",
        },
    ),
    rule("artifactRoot.proxiedArtifactStorage", "false", Same),
    rule("artifactRoot.defaultArtifactRoot", "./mlruns", Same),
    rule("artifactRoot.defaultArtifactsDestination", "./mlartifacts", Same),
    rule("artifactRoot.azureBlob.enabled", "false", Same),
    rule("artifactRoot.azureBlob.container", "''", Same),
    rule("artifactRoot.azureBlob.storageAccount", "''", Same),
    rule("artifactRoot.azureBlob.path", "''", Same),
    rule("artifactRoot.azureBlob.connectionString", "''", Same),
    rule("artifactRoot.azureBlob.accessKey", "''", Same),
    rule("artifactRoot.s3.enabled", "false", Same),
    rule("artifactRoot.s3.bucket", "''", Same),
    rule("artifactRoot.s3.path", "''", Same),
    rule("artifactRoot.s3.awsAccessKeyId", "''", Same),
    rule("artifactRoot.s3.awsSecretAccessKey", "''", Same),
    rule("artifactRoot.s3.existingSecret.name", "''", Same),
    rule("artifactRoot.s3.existingSecret.keyOfAccessKeyId", "''", Same),
    rule("artifactRoot.s3.existingSecret.keyOfSecretAccessKey", "''", Same),
    rule("artifactRoot.gcs.enabled", "false", Same),
    rule("artifactRoot.gcs.bucket", "''", Same),
    rule("artifactRoot.gcs.path", "''", Same),
];

const ACCESS: &[Rule] = &[
    rule("service.enabled", "true", Ask(service_enabled)),
    rule("service.type", "ClusterIP", Same),
    rule("service.port", "80", Same),
    rule("service.name", "http", Same),
    rule("service.annotations.**", "{}", Same),
    rule("service.containerPort", "5000", Same),
    rule("service.containerPortName", "mlflow", Same),
    rule("ingress.enabled", "false", Same),
    rule("ingress.className", "''", Same),
    rule("ingress.annotations.**", "{}", Same),
    rule(
        "ingress.hosts.**",
        "[{host: chart-example.local, paths: [{path: /, pathType: ImplementationSpecific}]}]",
        Ask(shared::host),
    ),
    rule("ingress.tls.**", "[]", Ask(shared::tls)),
    rule("serverHost", "0.0.0.0", Same),
    rule("serverAllowedHosts.**", "[]", Same),
    rule("corsAllowedOrigins.**", "[]", Same),
    rule("auth.**", "", Refused { on: "auth.enabled", why: NO_USERS }),
    rule("ldapAuth.**", "", Refused { on: "ldapAuth.enabled", why: NO_USERS }),
    rule("oidcAuth.**", "", Refused { on: "oidcAuth.enabled", why: NO_OIDC }),
    rule("oauth2Proxy.**", "", Refused { on: "oauth2Proxy.enabled", why: NO_OIDC }),
];

const OTHERS: &[Rule] = &[
    rule("serviceMonitor.**", "", Refused { on: "serviceMonitor.enabled", why: NO_METRICS }),
    rule("extraDeploy.**", "[]", Same),
];

/// User and password, which a Secret goes before.
fn login(leaf: &Leaf, file: &Node) -> Fate {
    match file.text("backendStore.existingDatabaseSecret.name") {
        Some(_) => Fate::Replaced("backendStore.existingDatabaseSecret has both".into()),
        None => Fate::moved(leaf, leaf.path.clone()),
    }
}

fn service_enabled(_: &Leaf, _: &Node) -> Fate {
    Fate::left(
        "there the key has no effect, and the Service is made; ours leaves it out, so write service.enabled: false if that is meant",
    )
}

/// `extraArgs.camelCase`.
fn extra_arg(leaf: &Leaf, _: &Node) -> Fate {
    match leaf.path.0.as_slice() {
        [_, Step::Key(key)] => shared::option_of(key, leaf, leaf.path.clone()),
        _ => Fate::left("an option has one value"),
    }
}

/// An item of `extraFlags`. Those before it that are left out leave no gap.
fn extra_flag(leaf: &Leaf, file: &Node) -> Fate {
    let (Node::Text(flag), [_, Step::Index(n)]) = (&leaf.value, leaf.path.0.as_slice()) else {
        return Fate::left("a flag is a text");
    };
    let kept = |item: &&Node| matches!(item, Node::Text(flag) if shared::is_carried(flag));
    let before = match file.at("extraFlags") {
        Some(Node::List(items)) => items.iter().take(*n).filter(kept).count(),
        _ => 0,
    };
    shared::option_of(flag, leaf, Path::of("extraFlags").index(before))
}

/// What to look at beside the single values.
pub fn advice(file: &Node) -> Vec<String> {
    let has_secret = file.text("backendStore.existingDatabaseSecret.name").is_some();
    let mut advice = shared::plain_secrets(
        file,
        &[
            ("artifactRoot.azureBlob.accessKey", "artifactRoot.azureBlob.existingSecret"),
            ("artifactRoot.azureBlob.connectionString", "artifactRoot.azureBlob.existingSecret"),
            ("artifactRoot.s3.awsSecretAccessKey", "artifactRoot.s3.existingSecret"),
        ],
    );
    if !has_secret {
        advice.extend(shared::plain_secrets(
            file,
            &[("backendStore.postgres.password", "backendStore.existingDatabaseSecret")],
        ));
    }
    if file.truth("backendStore.postgres.enabled") != Some(true) {
        advice.push(
            "No PostgreSQL is named, so runs are in a file of SQLite; persistence.enabled keeps it when the pod goes.".into(),
        );
    }
    advice.extend(shared::shim(file, "ingress.annotations", "ingress.tls"));
    advice
}
