//! "Did you mean": names that are close to one which does not exist, in graphql-core's order and words.

/// ` Did you mean 'a', 'b', or 'c'?`, or nothing where no name is close. `what` says what the names are, if that is said.
pub fn did_you_mean<'a>(input: &str, names: impl Iterator<Item = &'a str>, what: &str) -> String {
    let farthest = input.chars().count() * 2 / 5 + 1;
    let mut close: Vec<_> = names
        .filter_map(|name| distance(input, name).filter(|d| *d <= farthest).map(|d| (d, name)))
        .collect();
    close.sort();
    close.truncate(5);
    let quoted: Vec<_> = close.iter().map(|(_, name)| format!("'{name}'")).collect();
    let names = match quoted.as_slice() {
        [] => return String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} or {two}"),
        [first @ .., last] => format!("{}, or {last}", first.join(", ")),
    };
    format!(" Did you mean {what}{names}?")
}

/// How many letters to insert, delete, replace or swap with their neighbour; a difference in case alone counts as one. `None`
/// for names so long that they are close to nothing.
fn distance(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return Some(0);
    }
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (a, b) = (letters(one), letters(other));
    if a == b {
        return Some(1);
    }
    if a.len() > 200 || b.len() > 200 {
        return None;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    Some(rows[a.len()][b.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_close() {
        let names = ["runId", "runUuid", "runName", "status", "userId"];
        let said = |input: &str| did_you_mean(input, names.into_iter(), "");
        assert_eq!(said("run_id"), " Did you mean 'runId' or 'runUuid'?");
        assert_eq!(said("userid"), " Did you mean 'userId'?");
        assert_eq!(said("xyz"), "");
        assert_eq!(said("sttaus"), " Did you mean 'status'?");
        assert_eq!(
            did_you_mean("a", ["b", "c", "d"].into_iter(), "the value "),
            " Did you mean the value 'b', 'c', or 'd'?"
        );
    }
}
