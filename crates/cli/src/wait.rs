//! `ferroflow db wait`: the look at a database that a container takes before the server starts.

use crate::retry::{Retry, TRY};
use crate::start::Failure;
use std::time::Duration;
use store::checkup::{self, Checkup, Migration, Problem};
use store::schema::{Chain, State};
use store::uri::DatabaseUri;
use tokio::time::{sleep, timeout};

/// What is in the way, and whether it may pass.
type Trouble = (String, bool);

/// Waits until the database can be used, and answers a line about it.
///
/// # Errors
/// [`Failure`], where waiting does not help or has taken too long.
pub async fn until_usable(
    uri: &DatabaseUri,
    migration: Migration,
    limit: Duration,
) -> Result<String, Failure> {
    let (name, mut retry, mut waits) = (uri.display(), Retry::new(), false);
    loop {
        let (text, may_pass) = match look(uri, migration).await {
            Ok(checkup) => return Ok(ready(&name, &checkup, &retry)),
            Err(trouble) => trouble,
        };
        if !may_pass {
            return Err(Failure::Start(format!("{name}: {text}")));
        }
        let left = limit.saturating_sub(retry.elapsed());
        if left.is_zero() {
            let seconds = retry.elapsed().as_secs();
            return Err(Failure::Start(format!("{name} is not ready after {seconds} s: {text}")));
        }
        if !waits || retry.has_news() {
            waits = true;
            tracing::info!("waiting for {name}: {text}");
        }
        sleep(retry.next_pause().min(left)).await;
    }
}

async fn look(uri: &DatabaseUri, migration: Migration) -> Result<Checkup, Trouble> {
    let Ok(checkup) = timeout(TRY, checkup::check(uri, migration)).await else {
        return Err((format!("no answer within {} s", TRY.as_secs()), true));
    };
    let checkup = checkup.map_err(|error| (error.to_string(), error.may_pass()))?;
    if checkup.problems.is_empty() {
        return Ok(checkup);
    }
    let lasting: Vec<_> = checkup.problems.iter().filter(|problem| !problem.may_pass()).collect();
    let may_pass = lasting.is_empty();
    let said = if may_pass { checkup.problems.iter().collect() } else { lasting };
    let texts: Vec<_> = said.into_iter().map(Problem::to_string).collect();
    Err((texts.join("; "), may_pass))
}

fn ready(name: &str, checkup: &Checkup, retry: &Retry) -> String {
    let schema = match &checkup.found.tracking {
        State::At(done) if *done < Chain::Tracking.steps().len() => {
            format!("schema revision {}, to be upgraded", Chain::Tracking.revision_after(*done))
        }
        State::At(done) => format!("schema revision {}", Chain::Tracking.revision_after(*done)),
        _ => "no tables yet".to_owned(),
    };
    let seconds = retry.elapsed().as_secs_f64();
    format!("{name} is ready: {}, {schema}, after {seconds:.1} s\n", checkup.server)
}
