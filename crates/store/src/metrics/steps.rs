//! The steps of a metric, kept small: logged every n-th step, a million of them take as much memory as two.

/// Steps in the order they were seen; one that repeats its neighbour counts once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Steps(Vec<Stretch>);

/// `first`, `first + stride`, .. `count` steps in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub first: i64,
    pub stride: i64,
    pub count: i64,
}

impl Stretch {
    fn last(&self) -> i64 {
        self.nth(self.count - 1)
    }

    fn nth(&self, n: i64) -> i64 {
        // The product alone may be larger than an integer, between two steps that are far apart.
        self.first.wrapping_add(self.stride.wrapping_mul(n))
    }
}

impl Steps {
    /// Adds a step.
    pub fn push(&mut self, step: i64) {
        if let Some(end) = self.0.last_mut() {
            let last = end.last();
            // Widened, as steps may lie further apart than an integer reaches.
            let ahead = i128::from(step) - i128::from(last);
            if ahead == 0 {
                return;
            }
            let fits = if end.count == 1 { ahead > 0 } else { ahead == i128::from(end.stride) };
            if let (true, Ok(stride)) = (fits, i64::try_from(ahead)) {
                (end.stride, end.count) = (stride, end.count + 1);
                return;
            }
        }
        self.0.push(Stretch { first: step, stride: 0, count: 1 });
    }

    /// How the metric is logged, if it has been logged at even distances so far.
    pub fn regular(&self) -> Option<Stretch> {
        match self.0[..] {
            [stretch] if stretch.count > 1 => Some(stretch),
            _ => None,
        }
    }

    /// The distinct steps of several runs, ascending.
    pub fn union(mut sets: Vec<Self>) -> Self {
        // Runs of one experiment are mostly logged alike.
        sets.dedup();
        if let [only] = &sets[..]
            && only.ascends()
        {
            return sets.remove(0);
        }
        let mut all: Vec<i64> = sets.into_iter().flat_map(Self::into_vec).collect();
        all.sort_unstable();
        let mut union = Self::default();
        all.into_iter().for_each(|step| union.push(step));
        union
    }

    fn ascends(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0].last() < pair[1].first)
    }

    fn into_vec(self) -> Vec<i64> {
        self.0.iter().flat_map(|s| (0..s.count).map(|n| s.nth(n))).collect()
    }

    /// Of ascending steps every n-th, so that there are `most`, and the last one.
    ///
    /// Counts in doubles, as MLflow does (`AbstractStore.get_metric_history_bulk_interval`), so that it picks the same.
    pub fn sampled(self, most: i64) -> Vec<i64> {
        let count: i64 = self.0.iter().map(|s| s.count).sum();
        if count <= most {
            return self.into_vec();
        }
        let interval = count as f64 / most as f64;
        let ranks = (0..most).map(|i| (i as f64 * interval) as i64).filter(|rank| *rank < count - 1);
        let mut picked = Vec::new();
        let (mut stretches, mut before) = (self.0.iter().peekable(), 0);
        for rank in ranks.chain([count - 1]) {
            while let Some(passed) = stretches.next_if(|s| rank >= before + s.count) {
                before += passed.count;
            }
            picked.extend(stretches.peek().map(|s| s.nth(rank - before)));
        }
        picked
    }
}

impl From<Stretch> for Steps {
    fn from(stretch: Stretch) -> Self {
        Self(vec![stretch])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(all: impl IntoIterator<Item = i64>) -> Steps {
        let mut steps = Steps::default();
        all.into_iter().for_each(|step| steps.push(step));
        steps
    }

    #[test]
    fn even_distances_take_one_stretch() {
        let even = steps((0..1_000_000).map(|i| 5 + i / 3 * 10));
        assert_eq!(even.regular(), Some(Stretch { first: 5, stride: 10, count: 333_334 }));
        assert_eq!(steps([4]).regular(), None);
        assert_eq!(steps([1, 2, 4]).regular(), None);
    }

    #[test]
    fn steps_come_back_distinct_and_in_order() {
        let sets = vec![steps([3, 1, 2, 2, 9]), steps([4, 9, i64::MIN, i64::MAX]), steps([])];
        assert_eq!(Steps::union(sets).into_vec(), [i64::MIN, 1, 2, 3, 4, 9, i64::MAX]);
        let same = vec![steps([1, 3, 5, 6]), steps([1, 3, 5, 6])];
        assert_eq!(Steps::union(same).into_vec(), [1, 3, 5, 6]);
        assert_eq!(Steps::union(vec![]).into_vec(), [0_i64; 0]);
    }

    #[test]
    fn steps_may_lie_as_far_apart_as_integers_do() {
        let far = [-9_000_000_000_000_000_000, 0, 9_000_000_000_000_000_000];
        assert_eq!(steps(far).into_vec(), far);
    }

    #[test]
    fn every_nth_step_is_picked_and_the_last() {
        assert_eq!(steps(0..10).sampled(3), [0, 3, 6, 9]);
        assert_eq!(steps([1, 2, 3, 10, 20, 31, 40]).sampled(3), [1, 3, 20, 40]);
        assert_eq!(steps(0..4).sampled(4), [0, 1, 2, 3]);
        assert_eq!(steps(0..5).sampled(1), [0, 4]);
        // 15 * 205 / 25 is 123, but 15 * (205 / 25) is a little less as doubles, and MLflow takes 122.
        assert_eq!(steps(0..205).sampled(25)[15], 122);
    }
}
