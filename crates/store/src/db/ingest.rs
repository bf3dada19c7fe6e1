//! Requests that wait are taken together, where the database does not do so itself.
//!
//! On PostgreSQL a round trip costs far more than a row. So while groups are on their way, what comes waits, and goes as the
//! next group. A request that comes alone goes alone, at once. Clients that wait for an answer before they send again would
//! make groups smaller and smaller: whoever comes back first would take the free place. So a group waits a moment for those that
//! are expected back, by how many there were when the last group began.

use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Groups on their way at a time: while one waits for the disk another is at work. The more, the smaller they are.
const GROUPS: usize = 2;
/// Rows of one group at the most, so that the first of its requests need not wait long.
const LARGEST: usize = 512;
/// How long a group waits for those that are expected, at most: the shortest time that the runtime measures.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a group may be on its way before it is taken for one that is held up, and others go past it.
const HELD_UP: Duration = Duration::from_millis(100);
/// Requests that may wait; more are told to come back.
const QUEUE: usize = 4096;

/// A queue whose jobs are run in groups.
pub struct Ingest<Job: Send + 'static>(Arc<Inner<Job>>);

type Run<Job> = dyn Fn(Vec<Job>) -> BoxFuture<'static, ()> + Send + Sync;

struct Inner<Job: Send + 'static> {
    run: Box<Run<Job>>,
    state: Mutex<State<Job>>,
}

struct State<Job> {
    /// With the rows of each.
    waiting: VecDeque<(usize, Job)>,
    /// Groups on their way, and their jobs.
    groups: usize,
    jobs: usize,
    /// Jobs that waited or were on their way when the last group began.
    expected: usize,
    /// Groups that ever began.
    begun: u64,
    /// Whether a group waits for those that are expected.
    is_pausing: bool,
}

/// A group's place among those on their way, free when this is dropped.
struct Place<Job: Send + 'static> {
    queue: Arc<Inner<Job>>,
    jobs: usize,
}

impl<Job: Send + 'static> Ingest<Job> {
    /// A queue whose groups are run by `run`, which answers each job, in tasks of their own.
    pub fn new(run: impl Fn(Vec<Job>) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        let waiting = VecDeque::new();
        let state = State { waiting, groups: 0, jobs: 0, expected: 0, begun: 0, is_pausing: false };
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
        Inner::begin(&self.0, state);
        Ok(())
    }
}

impl<Job: Send + 'static> Drop for Place<Job> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.groups -= 1;
        state.jobs -= self.jobs;
        Inner::begin(&self.queue, state);
    }
}

impl<Job: Send + 'static> Inner<Job> {
    /// Begins a group of what waits if there is a place for one, once its share of those expected is there.
    fn begin(inner: &Arc<Self>, mut state: MutexGuard<'_, State<Job>>) {
        if state.waiting.is_empty() || state.groups >= GROUPS {
            return;
        }
        if state.waiting.len() * GROUPS >= state.expected {
            Self::go(inner, state);
        } else if !state.is_pausing {
            state.is_pausing = true;
            tokio::spawn(Self::end_pause(Arc::clone(inner), state.begun));
        }
    }

    /// Begins a group of whoever came, unless one began meanwhile.
    async fn end_pause(inner: Arc<Self>, begun: u64) {
        sleep(PAUSE).await;
        let mut state = inner.state();
        state.is_pausing = false;
        if state.begun != begun {
            Self::begin(&inner, state);
        } else if !state.waiting.is_empty() && state.groups < GROUPS {
            Self::go(&inner, state);
        }
    }

    fn go(inner: &Arc<Self>, mut state: MutexGuard<'_, State<Job>>) {
        let mut room = LARGEST;
        let fits = |(rows, _): &&(usize, Job)| {
            let fits = room > 0;
            room = room.saturating_sub(*rows);
            fits
        };
        let len = state.waiting.iter().take_while(fits).count();
        state.expected = state.jobs + state.waiting.len();
        state.groups += 1;
        state.jobs += len;
        state.begun += 1;
        let group = state.waiting.drain(..len).map(|(_, job)| job).collect();
        drop(state);
        let place = Place { queue: Arc::clone(inner), jobs: len };
        let mut run = (inner.run)(group);
        tokio::spawn(async move {
            if timeout(HELD_UP, &mut run).await.is_err() {
                drop(place);
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

    type Groups = mpsc::UnboundedReceiver<Vec<usize>>;

    /// A queue that tells of its groups when they begin, and ends each when it gets a permit.
    fn queue() -> (Ingest<usize>, Groups, Arc<Semaphore>) {
        let (began, groups) = mpsc::unbounded_channel();
        let go = Arc::new(Semaphore::new(0));
        let ends = Arc::clone(&go);
        let queue = Ingest::new(move |group: Vec<usize>| {
            let (began, ends) = (began.clone(), Arc::clone(&ends));
            async move {
                assert!(!group.contains(&13), "as the test wants it");
                began.send(group).unwrap();
                ends.acquire().await.unwrap().forget();
            }
            .boxed()
        });
        (queue, groups, go)
    }

    /// Fills all places, with groups of one job each.
    async fn fill(queue: &Ingest<usize>, groups: &mut Groups) {
        for n in 0..GROUPS {
            queue.push(1, n).unwrap();
            assert_eq!(groups.recv().await.unwrap(), [n], "who comes alone goes alone");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_goes_together() {
        let (queue, mut groups, go) = queue();
        fill(&queue, &mut groups).await;
        let late: Vec<_> = (100..100 + LARGEST + 1).collect();
        for &n in &late {
            queue.push(1, n).unwrap();
        }
        assert!(groups.is_empty(), "enough are on their way");
        go.add_permits(1);
        assert_eq!(groups.recv().await.unwrap(), late[..LARGEST]);
        go.add_permits(1);
        assert_eq!(groups.recv().await.unwrap(), late[LARGEST..]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_has_so_many_rows() {
        let (queue, mut groups, go) = queue();
        fill(&queue, &mut groups).await;
        for n in 100..103 {
            queue.push(LARGEST / 2, n).unwrap();
        }
        go.add_permits(2);
        assert_eq!(groups.recv().await.unwrap(), [100, 101]);
        assert_eq!(groups.recv().await.unwrap(), [102]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_for_its_share_of_those_expected_back() {
        let (queue, mut groups, go) = queue();
        fill(&queue, &mut groups).await;
        for n in 100..106 {
            queue.push(1, n).unwrap();
        }
        go.add_permits(2);
        assert_eq!(groups.recv().await.unwrap().len(), 6, "with the two before them there are eight clients");
        for n in 200..203 {
            queue.push(1, n).unwrap();
            tokio::task::yield_now().await;
        }
        assert!(groups.is_empty());
        queue.push(1, 203).unwrap();
        assert_eq!(groups.recv().await.unwrap(), [200, 201, 202, 203]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_back_is_not_waited_for_long() {
        let (queue, mut groups, go) = queue();
        fill(&queue, &mut groups).await;
        for n in 100..106 {
            queue.push(1, n).unwrap();
        }
        go.add_permits(GROUPS + 1);
        groups.recv().await.unwrap();
        for n in 200..203 {
            let before = tokio::time::Instant::now();
            queue.push(1, n).unwrap();
            assert_eq!(groups.recv().await.unwrap(), [n]);
            let waited = before.elapsed();
            assert!(if n == 200 { waited <= 2 * PAUSE } else { waited.is_zero() }, "{n} waited {waited:?}");
            go.add_permits(1);
            sleep(PAUSE).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_up_holds_nobody_up() {
        let (queue, mut groups, _go) = queue();
        for n in 0..3 * GROUPS {
            queue.push(1, n).unwrap();
            assert_eq!(groups.recv().await.unwrap(), [n]);
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
        assert_eq!(groups.recv().await.unwrap().last(), Some(&1));
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let (queue, mut groups, _go) = queue();
        fill(&queue, &mut groups).await;
        for n in 0..QUEUE {
            queue.push(1, n).unwrap();
        }
        assert!(matches!(queue.push(1, 0), Err(Error::Unavailable(_))));
    }
}
