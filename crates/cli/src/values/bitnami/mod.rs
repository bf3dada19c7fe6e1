//! The bitnami chart. Much is on there by default: a PostgreSQL, a MinIO, a password, a Job. What a file does not say counts as that.

mod access;
mod pod;

use crate::values::node::Node;
use crate::values::path::{Leaf, Path, Step};
use crate::values::rules::Action::{Ask, Left, Refused, Replaced, Same, To};
use crate::values::rules::{Added, Fate, Rule, rule};
use crate::values::shared;

pub const TABLES: &[&[Rule]] = &[COMMON, STORES, pod::TABLE, access::TABLE];

const NO_WAITING: &str = "all containers run the one image of the chart";

const COMMON: &[Rule] = &[
    rule(
        "global.imageRegistry",
        "''",
        Left("put the chart's image into that registry, and name it in image.repository"),
    ),
    rule("global.imagePullSecrets.**", "[]", Ask(pull_secret)),
    rule("global.defaultStorageClass", "''", To("persistence.storageClass")),
    rule("global.storageClass", "''", To("persistence.storageClass")),
    rule("global.security.allowInsecureImages", "false", Replaced("it is about bitnami's images")),
    rule(
        "global.compatibility.openshift.adaptSecurityContext",
        "auto",
        Left(
            "the chart does not look at the cluster; on OpenShift set runAsUser, runAsGroup and fsGroup of both contexts to null",
        ),
    ),
    rule("kubeVersion", "''", Replaced("the chart does not look at the cluster's version")),
    rule("nameOverride", "''", Same),
    rule("fullnameOverride", "''", Same),
    rule("clusterDomain", "cluster.local", Same),
    rule("commonLabels.**", "{}", Left("there are labels of pods only: extraPodLabels")),
    rule(
        "commonAnnotations.**",
        "{}",
        Left(
            "there are annotations of single objects only: deploymentAnnotations, podAnnotations, service.annotations, ingress.annotations",
        ),
    ),
    rule("extraDeploy.**", "[]", Same),
    rule(
        "diagnosticMode.**",
        "",
        Refused { on: "diagnosticMode.enabled", why: "there is no shell in the image to look around with" },
    ),
    rule("image.registry", "", Replaced("the chart has an image of its own, with Ferroflow in it")),
    rule("image.repository", "", Ask(shared::repository)),
    rule("image.tag", "''", Ask(shared::tag)),
    rule("image.digest", "''", Ask(shared::tag)),
    rule("image.pullPolicy", "IfNotPresent", Same),
    rule("image.pullSecrets.**", "[]", Ask(pull_secret)),
    rule("image.debug", "false", Ask(debug)),
    rule("gitImage.**", "", Replaced(NO_WAITING)),
    rule("waitContainer.**", "", Replaced(NO_WAITING)),
    rule(
        "volumePermissions.**",
        "",
        Replaced("the volume belongs to the pod's group, so nothing has to change its owner"),
    ),
    rule("run.**", "", Ask(run)),
];

const STORES: &[Rule] = &[
    rule("postgresql.**", "", Ask(bundled)),
    rule("minio.**", "", Ask(bundled)),
    rule("externalDatabase.dialectDriver", "postgresql", Ask(driver)),
    rule("externalDatabase.host", "''", To("backendStore.postgres.host")),
    rule("externalDatabase.port", "5432", To("backendStore.postgres.port")),
    rule("externalDatabase.user", "''", To("backendStore.postgres.user")),
    rule("externalDatabase.database", "''", To("backendStore.postgres.database")),
    rule("externalDatabase.password", "''", Ask(password)),
    rule("externalDatabase.authDatabase", "bitnami_mlflow_auth", Ask(access::auth)),
    rule("externalDatabase.existingSecret", "''", To("backendStore.existingDatabaseSecret.name")),
    rule(
        "externalDatabase.existingSecretPasswordKey",
        "''",
        To("backendStore.existingDatabaseSecret.passwordKey"),
    ),
    rule("externalS3.host", "''", Ask(endpoint)),
    rule("externalS3.port", "", Ask(endpoint)),
    rule("externalS3.protocol", "", Ask(endpoint)),
    rule("externalS3.bucket", "", To("artifactRoot.s3.bucket")),
    rule("externalS3.region", "''", To("artifactRoot.s3.region")),
    rule("externalS3.accessKeyID", "''", To("artifactRoot.s3.awsAccessKeyId")),
    rule("externalS3.accessKeySecret", "''", To("artifactRoot.s3.awsSecretAccessKey")),
    rule("externalS3.existingSecret", "''", To("artifactRoot.s3.existingSecret.name")),
    rule(
        "externalS3.existingSecretAccessKeyIDKey",
        "''",
        To("artifactRoot.s3.existingSecret.keyOfAccessKeyId"),
    ),
    rule(
        "externalS3.existingSecretKeySecretKey",
        "''",
        To("artifactRoot.s3.existingSecret.keyOfSecretAccessKey"),
    ),
    rule("externalS3.useCredentialsInSecret", "", Replaced("credentials are where they are named")),
    rule("externalS3.serveArtifacts", "", Ask(serve)),
    rule("externalGCS.bucket", "''", To("artifactRoot.gcs.bucket")),
    rule("externalGCS.useCredentialsInSecret", "", Replaced("credentials are where they are named")),
    rule("externalGCS.serveArtifacts", "", Ask(serve)),
    rule("externalAzureBlob.storageAccount", "''", To("artifactRoot.azureBlob.storageAccount")),
    rule("externalAzureBlob.containerName", "''", To("artifactRoot.azureBlob.container")),
    rule("externalAzureBlob.accessKey", "''", To("artifactRoot.azureBlob.accessKey")),
    rule("externalAzureBlob.useCredentialsInSecret", "", Replaced("credentials are where they are named")),
    rule("externalAzureBlob.serveArtifacts", "", Ask(serve)),
];

/// Names of pull secrets, or objects with one; two lists there, one here.
fn pull_secret(leaf: &Leaf, file: &Node) -> Fate {
    let length = |keys: &str| match file.at(keys) {
        Some(Node::List(items)) => items.len(),
        _ => 0,
    };
    let before = if leaf.path.0.first() == Some(&Step::Key("image".into())) {
        length("global.imagePullSecrets")
    } else {
        0
    };
    match leaf.path.0.as_slice() {
        [_, _, Step::Index(n)] => {
            Fate::moved(leaf, Path::of("imagePullSecrets").index(before + n).key("name"))
        }
        [_, _, Step::Index(n), rest @ ..] => {
            Fate::moved(leaf, Path::of("imagePullSecrets").index(before + n).then(rest))
        }
        _ => Fate::left("this is no list of names"),
    }
}

fn debug(leaf: &Leaf, _: &Node) -> Fate {
    match leaf.value {
        Node::Bool(true) => Fate::set(Path::of("log.level"), Node::Text("debug".into())),
        _ => Fate::left("say it by log.level"),
    }
}

fn run(_: &Leaf, file: &Node) -> Fate {
    match file.truth("run.enabled") {
        Some(false) => Fate::Off,
        _ => Fate::left(
            "the chart runs the server alone; make the Job or Deployment that trains one of your own, by extraDeploy for one",
        ),
    }
}

/// A database and a storage that come with that chart unless they are switched off.
fn bundled(leaf: &Leaf, file: &Node) -> Fate {
    let (section, instead) = match leaf.path.0.first() {
        Some(Step::Key(key)) if key == "minio" => {
            ("minio.enabled", "copy the bucket to one of yours, and name that in artifactRoot.s3")
        }
        _ => (
            "postgresql.enabled",
            "move the data to a PostgreSQL of yours (pg_dump, pg_restore), and name it in backendStore.postgres",
        ),
    };
    match file.truth(section) {
        Some(false) => Fate::Off,
        _ => Fate::left(format!("neither database nor storage comes with the chart; {instead}")),
    }
}

fn driver(leaf: &Leaf, _: &Node) -> Fate {
    match &leaf.value {
        Node::Text(driver) if driver.starts_with("postgres") => {
            Fate::Replaced("the driver is a part of SQLAlchemy".into())
        }
        _ => Fate::left(
            "Ferroflow has PostgreSQL and SQLite; move the data to PostgreSQL, and name it in backendStore.postgres",
        ),
    }
}

/// The database's, which a Secret goes before.
fn password(leaf: &Leaf, file: &Node) -> Fate {
    match file.text("externalDatabase.existingSecret") {
        Some(_) => Fate::Replaced("externalDatabase.existingSecret has it".into()),
        None => Fate::moved(leaf, Path::of("backendStore.postgres.password")),
    }
}

/// `externalS3`'s protocol, host and port are one address here, which AWS itself does not need.
fn endpoint(leaf: &Leaf, file: &Node) -> Fate {
    let to = Path::of("artifactRoot.s3.endpointUrl");
    let Some(host) = file.text("externalS3.host") else {
        return Fate::Off;
    };
    if host.ends_with(".amazonaws.com") {
        return Fate::Replaced("it is AWS, whose address is known".into());
    }
    let is_host = leaf.path == Path::of("externalS3.host");
    let protocol = file.text("externalS3.protocol").unwrap_or("https");
    let port = match file.at("externalS3.port") {
        Some(Node::Int(port)) => format!(":{port}"),
        Some(Node::Text(port)) if !port.is_empty() => format!(":{port}"),
        _ => String::new(),
    };
    match is_host {
        true => Fate::set(to, Node::Text(format!("{protocol}://{host}{port}"))),
        false => Fate::Carried { to, value: None },
    }
}

/// Several stores there can say it, of which one is used.
fn serve(leaf: &Leaf, file: &Node) -> Fate {
    let Some(Step::Key(store)) = leaf.path.0.first() else { return Fate::Off };
    match named_store(file) {
        Some((section, _)) if section == store.as_str() => {
            Fate::moved(leaf, Path::of("artifactRoot.proxiedArtifactStorage"))
        }
        _ => Fate::Off,
    }
}

/// The section of the store that the file names, and ours for it.
fn named_store(file: &Node) -> Option<(&'static str, &'static str)> {
    [
        ("externalS3", "host", "artifactRoot.s3.enabled"),
        ("externalGCS", "bucket", "artifactRoot.gcs.enabled"),
        ("externalAzureBlob", "storageAccount", "artifactRoot.azureBlob.enabled"),
    ]
    .into_iter()
    .find(|(section, key, _)| file.text(&format!("{section}.{key}")).is_some())
    .map(|(section, _, enabled)| (section, enabled))
}

/// What that chart does without being told: it waits for its database, brings it up to date, and serves artifacts.
pub fn added(file: &Node) -> Vec<Added> {
    const DEFAULT: &str = "the bitnami chart's default";
    let mut added = Vec::new();
    let mut add = |keys, value, why| added.push(Added { keys, value, why });
    let lacks = |key: &str| file.at(key).is_none_or(Node::is_empty);
    if file.text("externalDatabase.host").is_some() {
        add("backendStore.postgres.enabled", Node::Bool(true), "externalDatabase");
        if lacks("externalDatabase.user") {
            add("backendStore.postgres.user", Node::Text("bn_mlflow".into()), DEFAULT);
        }
        if lacks("externalDatabase.database") {
            add("backendStore.postgres.database", Node::Text("bitnami_mlflow".into()), DEFAULT);
        }
        if !lacks("externalDatabase.existingSecret") && lacks("externalDatabase.existingSecretPasswordKey") {
            add("backendStore.existingDatabaseSecret.passwordKey", Node::Text("db-password".into()), DEFAULT);
        }
        add("backendStore.databaseConnectionCheck", Node::Bool(true), DEFAULT);
        add("backendStore.databaseMigration", Node::Bool(true), DEFAULT);
    }
    if let Some((section, enabled)) = named_store(file) {
        add(enabled, Node::Bool(true), section);
        add("artifactRoot.proxiedArtifactStorage", Node::Bool(true), DEFAULT);
        if section == "externalS3" && lacks("externalS3.bucket") {
            add("artifactRoot.s3.bucket", Node::Text("mlflow".into()), DEFAULT);
        }
        if section == "externalS3" && !lacks("externalS3.existingSecret") {
            if lacks("externalS3.existingSecretAccessKeyIDKey") {
                add(
                    "artifactRoot.s3.existingSecret.keyOfAccessKeyId",
                    Node::Text("root-user".into()),
                    DEFAULT,
                );
            }
            if lacks("externalS3.existingSecretKeySecretKey") {
                add(
                    "artifactRoot.s3.existingSecret.keyOfSecretAccessKey",
                    Node::Text("root-password".into()),
                    DEFAULT,
                );
            }
        }
    }
    access::add_defaults(file, &mut added);
    added
}

/// What to look at beside the single values.
pub fn advice(file: &Node) -> Vec<String> {
    let mut advice = Vec::new();
    if file.truth("postgresql.enabled") != Some(false) {
        advice.push(
            "The bitnami chart brings a PostgreSQL unless postgresql.enabled is false, and ours does not: move the data (pg_dump, \
             pg_restore), and name yours in backendStore.postgres."
                .into(),
        );
    }
    if file.truth("minio.enabled") != Some(false) && named_store(file).is_none() {
        advice.push(
            "The bitnami chart brings a MinIO unless minio.enabled is false, and ours does not: copy its bucket, and name yours in \
             artifactRoot.s3."
                .into(),
        );
    }
    advice.extend(access::advice(file));
    if file.text("externalDatabase.existingSecret").is_none() {
        advice.extend(shared::plain_secrets(
            file,
            &[("externalDatabase.password", "backendStore.existingDatabaseSecret")],
        ));
    }
    advice.extend(shared::plain_secrets(
        file,
        &[
            ("externalS3.accessKeySecret", "artifactRoot.s3.existingSecret"),
            ("externalAzureBlob.accessKey", "artifactRoot.azureBlob.existingSecret"),
        ],
    ));
    advice
}
