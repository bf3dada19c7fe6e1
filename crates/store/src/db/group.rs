//! Which writes share a commit.
//!
//! Clients that wait for an answer before they send again split into two halves that take turns: while the commit of one half
//! waits for the disk, the other half queues up behind it, and no commit ever holds more than about half of them. So a
//! group whose predecessor had company waits a moment for the requests that are expected back, as PostgreSQL does with
//! `commit_delay`; but by what was just seen, not by settings. A lone client's write is committed at once.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// Jobs that share one commit at the most, so that the first of them need not wait long.
const LARGEST: usize = 256;

/// Jobs on their way to the thread that runs them, in groups.
pub(super) struct Queue<Job> {
    jobs: Receiver<Job>,
    /// Taken from `jobs` to count them.
    seen: VecDeque<Job>,
    /// How many jobs the next group may expect: as many as the last one had, and as waited at its end.
    expected: usize,
    /// What the last two commits took.
    commits: [Duration; 2],
    /// Until when this group waits for those it expects; set when it first has to.
    deadline: Option<Instant>,
}

impl<Job> Queue<Job> {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, seen: VecDeque::new(), expected: 0, commits: [Duration::ZERO; 2], deadline: None }
    }

    /// The first job of a group, however long it takes to come; `None` when there will be none any more.
    pub(super) fn first(&mut self) -> Option<Job> {
        self.deadline = None;
        self.seen.pop_front().or_else(|| self.jobs.recv().ok())
    }

    /// The next job of a group that has `len` jobs; `None` when it is time to commit.
    pub(super) fn next(&mut self, len: usize) -> Option<Job> {
        if len >= LARGEST {
            return None;
        }
        let waiting = self.seen.pop_front().or_else(|| self.jobs.try_recv().ok());
        if waiting.is_some() || len >= self.expected {
            return waiting;
        }
        let patience = self.patience();
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + patience);
        self.jobs.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// Ends a group of `len` jobs, before they are answered, so that those that wait now are not theirs who ask again.
    pub(super) fn end(&mut self, len: usize, commit: Duration) {
        while self.seen.len() < LARGEST
            && let Ok(job) = self.jobs.try_recv()
        {
            self.seen.push_back(job);
        }
        self.expected = len + self.seen.len();
        self.commits = [self.commits[1], commit];
    }

    /// All that wait by now.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        self.seen.drain(..).chain(self.jobs.try_iter()).collect()
    }

    /// Half of what a commit takes: waiting then costs less than a commit that is saved. By the shorter of two commits,
    /// as one of many also copies the log into the database.
    fn patience(&self) -> Duration {
        self.commits[0].min(self.commits[1]) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread;

    const LONG: Duration = Duration::from_secs(120);

    fn queue(commits: Duration) -> (SyncSender<u32>, Queue<u32>) {
        let (sender, receiver) = sync_channel(1000);
        (sender, Queue { commits: [commits; 2], ..Queue::new(receiver) })
    }

    #[test]
    fn a_lone_job_does_not_wait() {
        let (sender, mut queue) = queue(LONG);
        for n in 0..3 {
            sender.send(n).unwrap();
            assert_eq!(queue.first(), Some(n));
            assert_eq!(queue.next(1), None);
            queue.end(1, LONG);
        }
    }

    #[test]
    fn a_group_waits_for_those_that_were_there_before() {
        let (sender, mut queue) = queue(LONG);
        sender.send(1).unwrap();
        assert_eq!(queue.first(), Some(1));
        sender.send(2).unwrap();
        queue.end(1, LONG);
        let back = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(3).unwrap();
            sender
        });
        assert_eq!(queue.first(), Some(2));
        assert_eq!(queue.next(1), Some(3), "the answered client is expected back");
        assert_eq!(queue.next(2), None, "and nobody else");
        drop(back);
    }

    #[test]
    fn who_does_not_come_back_is_not_waited_for_again() {
        let (sender, mut queue) = queue(Duration::from_millis(2));
        sender.send(1).unwrap();
        assert_eq!(queue.first(), Some(1));
        sender.send(2).unwrap();
        queue.end(1, Duration::from_millis(2));
        assert_eq!(queue.first(), Some(2));
        assert_eq!(queue.next(1), None, "half of a commit's time has passed");
        queue.end(1, LONG);
        sender.send(3).unwrap();
        assert_eq!(queue.first(), Some(3));
        assert_eq!(queue.next(1), None);
    }

    #[test]
    fn a_group_has_an_end() {
        let (sender, mut queue) = queue(LONG);
        for n in 0..=LARGEST as u32 {
            sender.send(n).unwrap();
        }
        queue.first();
        let more = (1..).take_while(|len| queue.next(*len).is_some()).count();
        assert_eq!(more + 1, LARGEST);
    }

    #[test]
    fn all_that_wait_can_be_taken() {
        let (sender, mut queue) = queue(LONG);
        for n in 0..2 {
            sender.send(n).unwrap();
        }
        queue.end(1, LONG);
        sender.send(2).unwrap();
        assert_eq!(queue.drain(), [0, 1, 2]);
    }

    #[test]
    fn the_end_of_all_senders_is_noticed() {
        let (sender, mut queue) = queue(LONG);
        sender.send(1).unwrap();
        queue.end(1, LONG);
        drop(sender);
        assert_eq!(queue.first(), Some(1));
        assert_eq!(queue.next(1), None);
        assert_eq!(queue.first(), None);
    }
}
