//! Requests that wait are taken together, where the database does not do so itself.
//!
//! On PostgreSQL a round trip costs far more than a row. So while a group is at its statements, what comes waits, and goes as
//! the next group, in one transaction. There is no timer: a request that comes alone goes alone, at once, and the more there
//! are the larger the groups become. While a group waits for its commit, and so for the disk, the next one begins.

use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Groups that are at their statements at a time.
const AT_STATEMENTS: usize = 1;
/// Groups on their way at a time, those that wait for their commit among them: the more, the smaller they are.
const GROUPS: usize = 2;
/// Rows of one group at the most, so that the first of its requests need not wait long.
const LARGEST: usize = 512;
/// How long a group may be on its way before it is taken for one that is held up, and others go past it.
const HELD_UP: Duration = Duration::from_millis(100);
/// Requests that may wait; more are told to come back.
const QUEUE: usize = 4096;

/// A queue whose jobs are run in groups.
pub struct Ingest<Job: Send + 'static>(Arc<Inner<Job>>);

/// A group's place among those on their way, which is free when this is dropped.
pub struct Place<Job: Send + 'static> {
    queue: Arc<Inner<Job>>,
    is_committing: AtomicBool,
    next_may_begin: AtomicBool,
    is_free: AtomicBool,
}

type Run<Job> = dyn Fn(Vec<Job>, Arc<Place<Job>>) -> BoxFuture<'static, ()> + Send + Sync;

struct Inner<Job: Send + 'static> {
    run: Box<Run<Job>>,
    state: Mutex<State<Job>>,
}

struct State<Job> {
    /// With the rows of each.
    waiting: VecDeque<(usize, Job)>,
    at_statements: usize,
    groups: usize,
}

impl<Job: Send + 'static> Ingest<Job> {
    /// A queue whose groups are run by `run`, which answers each job, in tasks of their own.
    pub fn new(
        run: impl Fn(Vec<Job>, Arc<Place<Job>>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        let state = State { waiting: VecDeque::new(), at_statements: 0, groups: 0 };
        Self(Arc::new(Inner { run: Box::new(run), state: Mutex::new(state) }))
    }

    /// Adds a job of so many rows. Whether anybody still waits for its answer is for who runs it to see.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when too many wait.
    pub fn push(&self, rows: usize, job: Job) -> Result<()> {
        let mut state = self.0.state();
        if state.waiting.len() >= QUEUE {
            return Err(Error::Unavailable("too many requests are waiting".into()));
        }
        state.waiting.push_back((rows, job));
        Inner::start(&self.0, state);
        Ok(())
    }
}

impl<Job: Send + 'static> Place<Job> {
    fn new(queue: &Arc<Inner<Job>>) -> Self {
        let [is_committing, next_may_begin, is_free] = [false; 3].map(AtomicBool::new);
        Self { queue: Arc::clone(queue), is_committing, next_may_begin, is_free }
    }

    /// Lets the next group begin: this one only waits for its commit.
    pub fn statements_done(&self) {
        self.is_committing.store(true, Ordering::Relaxed);
        self.let_the_next_begin();
    }

    /// Whether the group only waits for its commit.
    pub fn is_committing(&self) -> bool {
        self.is_committing.load(Ordering::Relaxed)
    }

    fn let_the_next_begin(&self) {
        if !self.next_may_begin.swap(true, Ordering::Relaxed) {
            let mut state = self.queue.state();
            state.at_statements -= 1;
            Inner::start(&self.queue, state);
        }
    }

    fn free(&self) {
        self.let_the_next_begin();
        if !self.is_free.swap(true, Ordering::Relaxed) {
            let mut state = self.queue.state();
            state.groups -= 1;
            Inner::start(&self.queue, state);
        }
    }
}

impl<Job: Send + 'static> Drop for Place<Job> {
    fn drop(&mut self) {
        self.free();
    }
}

impl<Job: Send + 'static> Inner<Job> {
    /// Starts a group of what waits, if there is a place for one.
    fn start(inner: &Arc<Self>, mut state: MutexGuard<'_, State<Job>>) {
        if state.waiting.is_empty() || state.at_statements >= AT_STATEMENTS || state.groups >= GROUPS {
            return;
        }
        state.at_statements += 1;
        state.groups += 1;
        let mut room = LARGEST;
        let fits = |(rows, _): &&(usize, Job)| {
            let fits = room > 0;
            room = room.saturating_sub(*rows);
            fits
        };
        let len = state.waiting.iter().take_while(fits).count();
        let group = state.waiting.drain(..len).map(|(_, job)| job).collect();
        drop(state);
        let place = Arc::new(Place::new(inner));
        let mut run = (inner.run)(group, Arc::clone(&place));
        tokio::spawn(async move {
            if timeout(HELD_UP, &mut run).await.is_err() {
                place.free();
                run.await;
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State<Job>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::{Semaphore, mpsc};

    type Groups = mpsc::UnboundedReceiver<(Vec<usize>, Arc<Place<usize>>)>;

    /// A queue that tells of its groups when they begin, and ends each when it gets a permit.
    fn queue() -> (Ingest<usize>, Groups, Arc<Semaphore>) {
        let (began, groups) = mpsc::unbounded_channel();
        let go = Arc::new(Semaphore::new(0));
        let ends = Arc::clone(&go);
        let queue = Ingest::new(move |group: Vec<usize>, place| {
            let (began, ends) = (began.clone(), Arc::clone(&ends));
            async move {
                assert!(!group.contains(&13), "as the test wants it");
                began.send((group, place)).unwrap();
                ends.acquire().await.unwrap().forget();
            }
            .boxed()
        });
        (queue, groups, go)
    }

    #[tokio::test]
    async fn what_waits_goes_together() {
        let (queue, mut groups, _go) = queue();
        let mut places = Vec::new();
        for n in 0..AT_STATEMENTS {
            queue.push(1, n).unwrap();
            let (group, place) = groups.recv().await.unwrap();
            assert_eq!(group, [n], "who comes alone goes alone");
            places.push(place);
        }
        let late: Vec<_> = (100..100 + LARGEST + 1).collect();
        for &n in &late {
            queue.push(1, n).unwrap();
        }
        assert!(groups.is_empty(), "enough are at their statements");
        places[0].statements_done();
        places[0].statements_done();
        let (group, place) = groups.recv().await.unwrap();
        assert_eq!(group, late[..LARGEST], "it goes while the first one waits for its commit");
        assert!(groups.is_empty());
        drop(place);
        assert_eq!(groups.recv().await.unwrap().0, late[LARGEST..]);
    }

    #[tokio::test]
    async fn a_group_has_so_many_rows() {
        let (queue, mut groups, _go) = queue();
        let mut places = Vec::new();
        for n in 0..AT_STATEMENTS {
            queue.push(LARGEST, n).unwrap();
            places.push(groups.recv().await.unwrap());
        }
        for n in 100..103 {
            queue.push(LARGEST / 2, n).unwrap();
        }
        places.clear();
        assert_eq!(groups.recv().await.unwrap().0, [100, 101]);
        assert_eq!(groups.recv().await.unwrap().0, [102]);
    }

    #[tokio::test]
    async fn so_many_are_on_their_way_and_no_more() {
        let (queue, mut groups, go) = queue();
        let mut places = Vec::new();
        for n in 0..GROUPS {
            queue.push(1, n).unwrap();
            let (_, place) = groups.recv().await.unwrap();
            place.statements_done();
            places.push(place);
        }
        queue.push(1, 100).unwrap();
        assert!(groups.is_empty());
        places.pop();
        go.add_permits(1);
        assert_eq!(groups.recv().await.unwrap().0, [100]);
    }

    #[tokio::test]
    async fn what_is_held_up_holds_nobody_up() {
        let (queue, mut groups, _go) = queue();
        let mut places = Vec::new();
        for n in 0..2 * GROUPS {
            queue.push(1, n).unwrap();
            let (group, place) = groups.recv().await.unwrap();
            assert!(!place.is_committing());
            assert_eq!(group, [n]);
            places.push(place);
        }
    }

    #[tokio::test]
    async fn a_panic_does_not_stop_the_queue() {
        let (queue, mut groups, go) = queue();
        go.add_permits(100);
        for _ in 0..2 * GROUPS {
            queue.push(1, 13).unwrap();
            tokio::task::yield_now().await;
        }
        queue.push(1, 1).unwrap();
        assert_eq!(groups.recv().await.unwrap().0.last(), Some(&1));
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let (queue, mut groups, _go) = queue();
        let mut places = Vec::new();
        for n in 0..AT_STATEMENTS {
            queue.push(1, n).unwrap();
            places.push(groups.recv().await.unwrap());
        }
        for n in 0..QUEUE {
            queue.push(1, n).unwrap();
        }
        assert!(matches!(queue.push(1, 0), Err(Error::Unavailable(_))));
    }
}
