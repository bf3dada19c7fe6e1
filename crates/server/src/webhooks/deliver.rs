//! Takes deliveries out of the queue, and sees that each arrives, or is given up with a reason.
//!
//! Idle, it looks at the queue every few seconds, with one statement; where nobody ever had a webhook, every minute. What this
//! process queues itself wakes it at once.

use super::send::{Answer, NotSent};
use super::turns::Turns;
use crate::app::App;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use store::webhooks::queue::{self, Delivery, Outcome};
use store::webhooks::{self, Table, Target};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

/// How often the queue is looked at for what other replicas have left.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is looked for a queue where there is none.
const LOOK_FOR_QUEUE: Duration = Duration::from_secs(60);
/// How long to wait at the least after a look that found nothing: changes that nobody wants to know of come by the thousand.
const BREATH: Duration = Duration::from_millis(50);
/// How long the outcome of a try may take to be recorded, beyond the try itself, before another replica may try.
const RECORDING: Duration = Duration::from_secs(60);
/// The pause before the first try again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The longest pause that a receiver may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(3600);
/// How long those that were given up are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
const PURGE: Duration = Duration::from_secs(3600);

/// Delivers until it is told to stop, and then finishes what is on its way.
pub async fn run(app: App, stop: impl Future<Output = ()>) {
    let mut desk = Desk::new(app);
    tokio::pin!(stop);
    loop {
        let next = desk.look().await;
        let (app, tasks) = (&desk.app, &mut desk.tasks);
        tokio::select! {
            () = &mut stop => break,
            () = app.webhooks().wake.notified() => sleep_until(desk.not_before).await,
            Some(done) = tasks.join_next_with_id() => desk.end(done),
            () = sleep_until(next) => {}
        }
    }
    while let Some(done) = desk.tasks.join_next_with_id().await {
        desk.end(done);
    }
}

struct Desk {
    app: App,
    turns: Turns,
    /// Each sends one delivery, and answers what became of it.
    tasks: JoinSet<Outcome>,
    /// Whose delivery a task sends.
    owners: HashMap<Id, String>,
    /// When the first of those is due that are tried again.
    next_retry: Option<Instant>,
    next_purge: Instant,
    /// When the next look may be, if nothing but a change asks for it.
    not_before: Instant,
    /// Whether the queue is known to be there.
    table: Option<Table>,
    /// Whether the database failed the last time.
    failing: bool,
}

impl Desk {
    fn new(app: App) -> Self {
        let turns = Turns::new(app.settings().webhooks.max_deliveries);
        Self {
            app,
            turns,
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            next_retry: None,
            next_purge: Instant::now(),
            not_before: Instant::now(),
            table: None,
            failing: false,
        }
    }

    /// Starts what can be, and says when to look again, if nothing happens before.
    async fn look(&mut self) -> Instant {
        let now = Instant::now();
        if self.next_retry.is_some_and(|at| at <= now) {
            self.next_retry = None;
        }
        let begun = self.tasks.len();
        match self.try_look().await {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    tracing::warn!(%error, "webhooks wait for the database");
                }
                self.failing = true;
            }
        }
        if self.tasks.len() == begun {
            self.not_before = Instant::now() + BREATH;
        }
        let pause = match self.table {
            Some(Table::There) | None => LOOK,
            Some(Table::NotNeeded | Table::Forbidden) => LOOK_FOR_QUEUE,
        };
        let usual = Instant::now() + jittered(pause);
        self.next_retry.map_or(usual, |at| at.min(usual))
    }

    async fn try_look(&mut self) -> store::Result<()> {
        if self.table != Some(Table::There) {
            let found = webhooks::prepare(self.app.registry()).await?;
            if found == Table::Forbidden && self.table != Some(Table::Forbidden) {
                tracing::warn!(
                    "nobody is told by webhooks: this user of the database may not make the table ferroflow_webhook_deliveries, or \
                     not write to it; GRANT CREATE ON SCHEMA .. TO the user, or make it as docs/webhooks.md has it"
                );
            }
            self.table = Some(found);
        }
        if self.table != Some(Table::There) || self.turns.left() == 0 {
            return Ok(());
        }
        if self.next_purge <= Instant::now() {
            self.app.registry().write(|tx| Box::pin(queue::purge(tx, KEPT))).await?;
            self.next_purge = Instant::now() + PURGE;
        }
        let Some(waiting) = self.app.registry().read(|tx| Box::pin(queue::waiting(tx))).await? else {
            // Somebody has dropped it.
            self.table = None;
            return Ok(());
        };
        let lease = self.app.webhooks().sender().timeout() + RECORDING;
        for webhook in waiting {
            let most = self.turns.left_for(&webhook);
            if most == 0 {
                continue;
            }
            let id = webhook.clone();
            let claim = self
                .app
                .registry()
                .write(move |tx| Box::pin(async move { queue::claim(tx, &id, most, lease).await }));
            if let Some((target, deliveries)) = claim.await? {
                for delivery in deliveries {
                    self.begin(target.clone(), delivery);
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, target: Target, delivery: Delivery) {
        let webhook = delivery.webhook_id.clone();
        self.turns.begin(&webhook);
        let task = self.tasks.spawn(deliver(self.app.clone(), target, delivery));
        self.owners.insert(task.id(), webhook);
    }

    fn end(&mut self, done: Result<(Id, Outcome), JoinError>) {
        let (id, outcome) = match done {
            Ok((id, outcome)) => (id, Some(outcome)),
            Err(error) => (error.id(), None),
        };
        let Some(webhook) = self.owners.remove(&id) else { return };
        self.turns.end(&webhook, outcome == Some(Outcome::Delivered));
        if let Some(Outcome::Again(pause, _)) = outcome {
            let at = Instant::now() + pause;
            self.next_retry = Some(self.next_retry.map_or(at, |next| next.min(at)));
        }
    }
}

/// Tries once, and records what became of it.
async fn deliver(app: App, target: Target, delivery: Delivery) -> Outcome {
    let sent = app.webhooks().sender().send(&target, &delivery.delivery_id, delivery.body.clone()).await;
    let outcome = outcome(sent, delivery.tries, app.settings().webhooks.max_retries);
    let Delivery { delivery_id, webhook_id, event, .. } = &delivery;
    match &outcome {
        Outcome::Delivered => tracing::debug!(%webhook_id, %delivery_id, %event, "told a webhook"),
        Outcome::Again(pause, reason) => {
            let pause_s = pause.as_secs();
            tracing::info!(%webhook_id, %delivery_id, %event, pause_s, "a webhook is to be told again: {reason}");
        }
        Outcome::Dead(reason) => {
            tracing::warn!(%webhook_id, %delivery_id, %event, "a webhook was not told, and is not any more: {reason}");
        }
    }
    record(&app, delivery, outcome.clone()).await;
    outcome
}

/// A database that is away for a moment must not have everything sent twice.
async fn record(app: &App, delivery: Delivery, outcome: Outcome) {
    let end = Instant::now() + RECORDING / 2;
    loop {
        let (delivery, outcome) = (delivery.clone(), outcome.clone());
        let done = app
            .registry()
            .write(move |tx| Box::pin(async move { queue::record(tx, &delivery, outcome).await }))
            .await;
        match done {
            Err(error) if error.may_pass() && Instant::now() < end => sleep(jittered(FIRST_PAUSE)).await,
            Err(error) => {
                return tracing::warn!(%error, "what became of a webhook's delivery could not be recorded; it is sent again");
            }
            Ok(()) => return,
        }
    }
}

/// What follows from an answer, or from none. MLflow tries the same statuses again.
fn outcome(sent: Result<Answer, NotSent>, tries: i64, max_retries: u32) -> Outcome {
    let (reason, wish) = match sent {
        Ok(Answer { status: 200..=299, .. }) => return Outcome::Delivered,
        Ok(Answer { status: status @ (429 | 500 | 502 | 503 | 504), retry_after }) => {
            (format!("the receiver answered {status}"), retry_after.unwrap_or_default())
        }
        Ok(Answer { status: status @ 300..=399, .. }) => {
            return Outcome::Dead(format!("the receiver answered {status}, and redirects are not followed"));
        }
        Ok(Answer { status, .. }) => return Outcome::Dead(format!("the receiver answered {status}")),
        Err(NotSent::Refused(reason)) => return Outcome::Dead(reason),
        Err(NotSent::Failed(reason)) => (reason, Duration::ZERO),
    };
    let tries = u32::try_from(tries).unwrap_or(u32::MAX);
    if tries >= max_retries {
        return Outcome::Dead(format!("{reason}; that was try {}, the last one", tries.saturating_add(1)));
    }
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    Outcome::Again(jittered(pause).max(wish.min(LONGEST_WISH)), reason)
}

/// Up to half as long again, so that those that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut bytes = [0; 2];
    // Without randomness they all do.
    let _ = SystemRandom::new().fill(&mut bytes);
    pause.mul_f64(1.0 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Result<Answer, NotSent> {
        Ok(Answer { status, retry_after: None })
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for status in [200, 201, 204, 299] {
            assert_eq!(outcome(answered(status), 0, 3), Outcome::Delivered);
        }
        for status in [429, 500, 502, 503, 504] {
            assert!(matches!(outcome(answered(status), 0, 3), Outcome::Again(..)), "{status}");
        }
        for status in [301, 302, 307, 400, 401, 404, 410, 501, 505] {
            assert!(matches!(outcome(answered(status), 0, 3), Outcome::Dead(_)), "{status}");
        }
        let refused = Err(NotSent::Refused("no".into()));
        assert_eq!(outcome(refused, 0, 3), Outcome::Dead("no".into()));
        let failed = || Err(NotSent::Failed("gone".into()));
        assert!(matches!(outcome(failed(), 2, 3), Outcome::Again(..)));
        assert_eq!(outcome(failed(), 3, 3), Outcome::Dead("gone; that was try 4, the last one".into()));
        assert!(matches!(outcome(failed(), 0, 0), Outcome::Dead(_)));
    }

    #[test]
    fn pauses_grow_and_differ() {
        let pause = |tries, retry_after| match outcome(Ok(Answer { status: 503, retry_after }), tries, 1000) {
            Outcome::Again(pause, _) => pause.as_secs_f64(),
            other => panic!("{other:?}"),
        };
        for (tries, least) in [(0, 1.0), (1, 2.0), (5, 32.0), (9, 512.0), (10, 600.0), (500, 600.0)] {
            assert!((least..=least * 1.5).contains(&pause(tries, None)), "{tries}");
        }
        assert_eq!(pause(0, Some(Duration::from_secs(77))), 77.0);
        assert_eq!(pause(0, Some(Duration::from_secs(999_999))), 3600.0);
        let several: Vec<_> = (0..8).map(|_| pause(3, None)).collect();
        assert!(several.windows(2).any(|two| two[0] != two[1]), "{several:?}");
    }
}
