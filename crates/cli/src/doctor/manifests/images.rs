//! Images: that those which belong together are of one version.

use super::super::report::Verdict;
use super::Trap;
use super::object::{Manifests, parts_of};
use std::collections::{BTreeMap, BTreeSet};

/// The containers of one pod that come from one repository.
pub fn drift(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    for pod in manifests.pods() {
        let mut versions: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for container in pod.containers() {
            let (name, version) = parts_of(container.image);
            versions.entry(name).or_default().entry(version.unwrap_or("latest")).or_insert(container.name);
        }
        for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
            let is_tracker = name.contains("mlflow") || name.contains("ferroflow");
            let list: Vec<_> =
                versions.iter().map(|(version, container)| format!("{version} ({container})")).collect();
            let detail =
                format!("{} runs {name} in several versions: {}", pod.object.title(), list.join(", "));
            traps.push(match is_tracker {
                true => Trap::new(
                    Verdict::Failure,
                    format!("{detail}; the newer one brings the database to a schema that the older one refuses"),
                    "Give all of them the same tag: in the community chart initImages.mlflowDbMigration.tag, besides image.tag",
                ),
                false => Trap::new(Verdict::Warning, detail, "Give all of them the same tag"),
            });
        }
    }
    traps
}

/// Whoever migrates must know the schema that is served.
pub fn migration(manifests: &Manifests) -> Vec<Trap> {
    let mut traps = Vec::new();
    let (mut serving, mut migrating) = (BTreeSet::new(), BTreeSet::new());
    for pod in manifests.pods() {
        // Within one pod of one repository it is drift.
        let own = pod.server().map(|server| parts_of(server.image).0);
        for container in pod.containers().iter().filter(|container| container.migrates()) {
            if own != Some(parts_of(container.image).0) {
                migrating.insert(container.image);
            }
        }
        let replicas = pod.object.value["spec"]["replicas"].as_u64().unwrap_or(1);
        let foreign =
            pod.containers().into_iter().find(|one| one.migrates() && one.is_init && !one.is_ours());
        if let (Some(foreign), true) = (foreign, replicas > 1 && pod.server().is_some()) {
            let detail = format!(
                "{} starts {replicas} pods, each of which migrates ({}), and MLflow's migration takes no lock",
                pod.object.title(),
                foreign.name
            );
            traps.push(Trap::new(
                Verdict::Warning,
                detail,
                "Migrate by a Job before the pods start, or by `ferroflow db upgrade`, which takes one",
            ));
        }
    }
    for pod in manifests.servers() {
        serving.extend(pod.server().map(|server| server.image));
    }
    let others: Vec<_> = migrating.difference(&serving).copied().collect();
    if !others.is_empty() && !serving.is_empty() {
        let detail = format!(
            "the database is migrated by {}, and served by {}",
            others.join(" and "),
            serving.iter().copied().collect::<Vec<_>>().join(" and ")
        );
        traps.push(Trap::new(
            Verdict::Failure,
            detail,
            "Use one image for both, so that the schema is the one which is served",
        ));
    }
    traps
}

/// Images whose content changes under their name.
pub fn latest(manifests: &Manifests) -> Vec<Trap> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for pod in manifests.pods() {
        for container in pod.containers() {
            let (_, version) = parts_of(container.image);
            if !container.image.is_empty() && matches!(version, None | Some("latest")) {
                found
                    .entry(container.image)
                    .or_insert_with(|| format!("{} of {}", container.name, pod.object.title()));
            }
        }
    }
    let trap = |(image, place): (&str, String)| {
        let detail = format!("{image} ({place}) is another program tomorrow, and another one on each node");
        Trap::new(Verdict::Warning, detail, "Write a tag that stays, or a digest")
    };
    found.into_iter().map(trap).collect()
}
