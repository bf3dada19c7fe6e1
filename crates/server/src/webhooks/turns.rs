//! Whose deliveries are next. Each webhook gets a share of what may be on its way at the same time; one whose receiver did not
//! answer last time gets one, and all such webhooks together get half, so that the others always find a place.

use std::collections::{HashMap, HashSet};

/// What is on its way.
pub(super) struct Turns {
    most: usize,
    under_way: HashMap<String, usize>,
    /// Those whose last delivery failed.
    troubled: HashSet<String>,
}

impl Turns {
    /// So many at the same time, and one at least.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), under_way: HashMap::new(), troubled: HashSet::new() }
    }

    /// How many more of a webhook's deliveries may be sent now.
    pub fn left_for(&self, webhook: &str) -> usize {
        let own = self.under_way.get(webhook).copied().unwrap_or_default();
        let share = if self.troubled.contains(webhook) {
            let others = self.under_way.iter().filter(|(other, _)| self.troubled.contains(*other));
            let troubled: usize = others.map(|(_, count)| count).sum();
            // Its own are among the troubled ones.
            1.min((self.most / 2).max(1).saturating_sub(troubled - own))
        } else {
            (self.most / 4).max(1)
        };
        share.saturating_sub(own).min(self.left())
    }

    /// How many more deliveries may be sent now.
    pub fn left(&self) -> usize {
        self.most.saturating_sub(self.under_way.values().sum())
    }

    /// A delivery is sent.
    pub fn begin(&mut self, webhook: &str) {
        *self.under_way.entry(webhook.to_owned()).or_default() += 1;
    }

    /// A delivery has arrived, or not.
    pub fn end(&mut self, webhook: &str, arrived: bool) {
        if let Some(count) = self.under_way.get_mut(webhook) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(webhook);
            }
        }
        if arrived {
            self.troubled.remove(webhook);
        } else {
            self.troubled.insert(webhook.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin_all(turns: &mut Turns, webhook: &str) -> usize {
        let count = turns.left_for(webhook);
        (0..count).for_each(|_| turns.begin(webhook));
        count
    }

    #[test]
    fn nobody_takes_all_places() {
        let mut turns = Turns::new(10);
        assert_eq!(begin_all(&mut turns, "a"), 2);
        assert_eq!(turns.left_for("a"), 0);
        assert_eq!(begin_all(&mut turns, "b"), 2);
        turns.end("a", true);
        assert_eq!(begin_all(&mut turns, "a"), 1);
        for other in ["c", "d", "e"] {
            assert_eq!(begin_all(&mut turns, other), 2);
        }
        assert_eq!((turns.left(), turns.left_for("f")), (0, 0));
    }

    #[test]
    fn those_in_trouble_leave_half_of_the_places() {
        let mut turns = Turns::new(10);
        let slow: Vec<_> = (0..20).map(|n| format!("slow {n}")).collect();
        for webhook in &slow {
            turns.begin(webhook);
            turns.end(webhook, false);
        }
        let begun: usize = slow.iter().map(|webhook| begin_all(&mut turns, webhook)).sum();
        assert_eq!((begun, turns.left()), (5, 5));
        assert_eq!(begin_all(&mut turns, "fast"), 2);
        turns.end("slow 0", true);
        assert_eq!(begin_all(&mut turns, "slow 0"), 2, "it is well again");
    }

    #[test]
    fn one_place_is_enough_for_everybody() {
        let mut turns = Turns::new(0);
        assert_eq!(begin_all(&mut turns, "a"), 1);
        assert_eq!(turns.left_for("b"), 0);
        turns.end("a", false);
        assert_eq!(begin_all(&mut turns, "a"), 1);
    }
}
