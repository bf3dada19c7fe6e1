//! What is to go, and everything that can be said against it before anything is deleted. Mirrors the checks of `mlflow gc`.

use super::age::{Age, Retention};
use super::protection::Protection;
use super::{Places, Wish};
use api::error::invalid;
use std::collections::{BTreeSet, HashMap};
use store::experiments::{self, ExperimentId};
use store::gc::{self, Found, Kind, Which};
use store::{Result, runs};

/// What is to go, and what stays whatever is asked.
pub(super) struct Chosen {
    /// Which runs and logged models to look at.
    pub passes: Vec<(Kind, Which)>,
    /// The experiments that go, if nothing in them stays.
    pub experiments: Vec<Found>,
    /// The ages that count.
    pub rules: Rules,
    /// What registered model versions point to.
    pub protection: Protection,
}

/// How long what is deleted is kept.
pub(super) struct Rules {
    /// `--older-than`.
    pub older_than: Option<Age>,
    /// The experiments that have a rule of their own.
    pub retentions: HashMap<i64, Retention>,
    /// In epoch milliseconds.
    pub now_ms: i64,
}

/// Whether it is time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Due,
    /// Not yet, by `--older-than`.
    TooYoung,
    /// Not yet, or never, by its experiment's tag, of which this is a sentence.
    Retained(String),
}

impl Rules {
    /// An experiment's own rule goes before `--older-than`, whether it is a longer or a shorter time.
    pub(super) fn verdict(&self, found: &Found) -> Verdict {
        let tag = Retention::TAG;
        match (self.retentions.get(&found.experiment_id), &self.older_than) {
            (Some(Retention::Forever), _) => Verdict::Retained(format!(
                "the tag {tag} of its experiment {} says forever",
                found.experiment_id
            )),
            (Some(Retention::Unreadable(value)), _) => Verdict::Retained(format!(
                "the tag {tag} of its experiment {} is '{value}', which is no time; write one such as 30d, or forever",
                found.experiment_id
            )),
            (Some(Retention::For(age)), _) if !age.has_passed(found.since, self.now_ms) => Verdict::Retained(
                format!("the tag {tag} of its experiment {} says {}", found.experiment_id, age.text),
            ),
            (Some(Retention::For(_)), _) | (None, None) => Verdict::Due,
            (None, Some(age)) if age.has_passed(found.since, self.now_ms) => Verdict::Due,
            (None, Some(_)) => Verdict::TooYoung,
        }
    }
}

/// Looks at all that is named, and refuses the whole where one of it must not go.
pub(super) async fn choose(places: Places<'_>, wish: &Wish, now_ms: i64) -> Result<Chosen> {
    let older_than = wish.older_than.clone().filter(|age| !age.text.is_empty());
    let retentions = places.db.read(|tx| Box::pin(gc::retentions(tx, Retention::TAG))).await?;
    let versions = places.registry.read(|tx| Box::pin(gc::versions(tx))).await?;
    let retentions = retentions.into_iter().map(|(id, value)| (id, Retention::parse(&value))).collect();
    let rules = Rules { older_than, retentions, now_ms };
    let protection = if wish.include_registered { Protection::default() } else { Protection::of(versions) };
    let named = [&wish.run_ids, &wish.logged_model_ids, &wish.experiment_ids];
    let mut chosen = Chosen { passes: Vec::new(), experiments: Vec::new(), rules, protection };
    if named.iter().all(|ids| ids.is_empty()) {
        chosen.passes = vec![(Kind::Run, Which::Deleted), (Kind::LoggedModel, Which::Deleted)];
        let deleted = places.db.read(|tx| Box::pin(gc::deleted_experiments(tx))).await?;
        let due = |found: &Found| chosen.rules.verdict(found) == Verdict::Due;
        chosen.experiments = deleted.into_iter().filter(due).collect();
        return Ok(chosen);
    }
    chosen.experiments = named_experiments(places, &wish.experiment_ids, &chosen.rules).await?;
    let inside: Vec<i64> = chosen.experiments.iter().map(|e| e.experiment_id).collect();
    for (kind, ids) in [(Kind::Run, &wish.run_ids), (Kind::LoggedModel, &wish.logged_model_ids)] {
        let alone = check_named(places, kind, ids, &chosen, &inside).await?;
        if !alone.is_empty() {
            chosen.passes.push((kind, Which::Named(alone)));
        }
        if !inside.is_empty() {
            chosen.passes.push((kind, Which::DeletedOf(inside.clone())));
        }
    }
    Ok(chosen)
}

async fn named_experiments(places: Places<'_>, ids: &[String], rules: &Rules) -> Result<Vec<Found>> {
    let mut wanted = BTreeSet::new();
    for id in ids {
        let id = ExperimentId::parse(id.trim())?;
        places.db.read(move |tx| Box::pin(experiments::get(tx, id))).await?;
        wanted.insert(id.get());
    }
    let all = places.db.read(|tx| Box::pin(gc::experiments(tx))).await?;
    let found: Vec<Found> = all.into_iter().filter(|e| wanted.contains(&e.experiment_id)).collect();
    let list = |those: Vec<&Found>| {
        let ids: Vec<_> = those.iter().map(|e| format!("'{}'", e.id)).collect();
        format!("[{}]", ids.join(", "))
    };
    let active: Vec<_> = found.iter().filter(|e| !e.is_deleted).collect();
    if !active.is_empty() {
        return Err(invalid(format!(
            "Experiments {} are not in the deleted lifecycle stage. Only experiments in the deleted lifecycle stage can be \
             hard-deleted.",
            list(active)
        ))
        .into());
    }
    let young: Vec<_> = found.iter().filter(|e| rules.verdict(e) == Verdict::TooYoung).collect();
    if let (false, Some(age)) = (young.is_empty(), &rules.older_than) {
        return Err(invalid(format!(
            "Experiments {} are not older than the required age. Only experiments older than {} can be deleted.",
            list(young),
            age.text
        ))
        .into());
    }
    for experiment in &found {
        if let Verdict::Retained(why) = rules.verdict(experiment) {
            return Err(invalid(format!("Experiment {} is to be kept: {why}.", experiment.id)).into());
        }
    }
    Ok(found)
}

/// Those of the ids that are not in the experiments `inside`, which are gone through as a whole.
async fn check_named(
    places: Places<'_>,
    kind: Kind,
    ids: &[String],
    chosen: &Chosen,
    inside: &[i64],
) -> Result<Vec<String>> {
    let mut alone = Vec::new();
    let (one, many) = match kind {
        Kind::Run => ("Run", "runs"),
        _ => ("Logged model", "logged models"),
    };
    for id in ids {
        let which = Which::Named(vec![id.clone()]);
        let found = places.db.read(move |tx| Box::pin(async move { gc::page(tx, kind, &which, "").await }));
        let found = match (found.await?.pop(), kind) {
            (Some(found), _) => found,
            (None, Kind::Run) => {
                let id = id.clone();
                // For MLflow's words.
                places.db.read(move |tx| Box::pin(async move { runs::info(tx, &id).await })).await?;
                continue;
            }
            (None, _) => {
                Found { id: id.clone(), experiment_id: 0, location: None, is_deleted: false, since: None }
            }
        };
        if !found.is_deleted {
            return Err(invalid(format!(
                "{one} {id} is not in `deleted` lifecycle stage. Only {many} in `deleted` lifecycle stage can be deleted."
            ))
            .into());
        }
        match (chosen.rules.verdict(&found), &chosen.rules.older_than) {
            (Verdict::Due, _) => {}
            (Verdict::Retained(why), _) => {
                return Err(invalid(format!("{one} {id} is to be kept: {why}.")).into());
            }
            (Verdict::TooYoung, age) => {
                let age = age.as_ref().map_or("", |age| age.text.as_str());
                return Err(invalid(format!(
                    "{one} {id} is not older than the required age. Only {many} older than {age} can be deleted."
                ))
                .into());
            }
        }
        if let Some(version) = chosen.protection.by(id) {
            return Err(invalid(format!(
                "{one} {id} is to be kept: the registered model version {version} points to it. --include-registered deletes it \
                 all the same."
            ))
            .into());
        }
        if !inside.contains(&found.experiment_id) {
            alone.push(id.clone());
        }
    }
    Ok(alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiments_own_rule_goes_first() {
        let found = |experiment_id, since| Found {
            id: "r".into(),
            experiment_id,
            location: None,
            is_deleted: true,
            since: Some(since),
        };
        let age = |text: &str| Age::parse(text).unwrap();
        let rules = Rules {
            older_than: Some(age("10s")),
            retentions: HashMap::from([
                (1, Retention::For(age("1s"))),
                (2, Retention::For(age("1d"))),
                (3, Retention::Forever),
                (4, Retention::Unreadable("soon".into())),
            ]),
            now_ms: 20_000,
        };
        assert_eq!(rules.verdict(&found(0, 10_000)), Verdict::Due);
        assert_eq!(rules.verdict(&found(0, 10_001)), Verdict::TooYoung);
        assert_eq!(rules.verdict(&found(1, 19_000)), Verdict::Due);
        for kept in [2, 3, 4] {
            assert!(matches!(rules.verdict(&found(kept, 0)), Verdict::Retained(_)), "{kept}");
        }
    }
}
