//! What to tell of a conversion: the new values with comments, and a summary for whoever runs it. Values of the file are never
//! repeated here, since some are passwords.

use super::chart::Chart;
use super::node::Node;
use super::path::{Leaf, Path, Step};
use super::rules::{Conversion, Fate};
use super::yaml;

/// Where lines of text end.
const WIDTH: usize = 116;

/// Values that had the same fate for the same reason.
struct Group<'a> {
    paths: Vec<String>,
    why: &'a str,
}

/// The new values as a file.
pub fn file(chart: Chart, conversion: &Conversion, advice: &[String]) -> String {
    let mut text = format!(
        "# Values of charts/ferroflow, made by `ferroflow values convert` out of values of the {}.\n",
        chart.title()
    );
    let sections = [
        ("Not carried over; do what each line says:", lines(&left(conversion))),
        ("Left out, since Ferroflow does without:", lines(&replaced(conversion))),
        ("To look at:", advice.to_vec()),
    ];
    for (title, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        text += &format!("#\n# {title}\n");
        for line in lines {
            text += &wrapped(line, "#   - ", "#     ");
        }
    }
    let Node::Map(map) = &conversion.values else { return text };
    if !map.is_empty() {
        text.push('\n');
    }
    text + &yaml::write(map, &|path| origin(conversion, path))
}

/// The same in short, for a terminal or a log.
pub fn summary(chart: Chart, conversion: &Conversion, advice: &[String]) -> String {
    let count = |is: fn(&Fate) -> bool| conversion.fates.iter().filter(|(_, fate)| is(fate)).count();
    let mut text = format!(
        "{} values of the {}: {} carried over, {} say what is so anyway, {} are not needed, {} left\n",
        conversion.fates.len(),
        chart.title(),
        count(|fate| matches!(fate, Fate::Carried { .. })),
        count(|fate| matches!(fate, Fate::Default | Fate::Off)),
        count(|fate| matches!(fate, Fate::Replaced(_))),
        count(|fate| matches!(fate, Fate::Left(_))),
    );
    for line in lines(&left(conversion)) {
        text += &wrapped(&line, "left: ", "      ");
    }
    for line in advice {
        text += &wrapped(line, "note: ", "      ");
    }
    text
}

/// What is left, by reason.
fn left(conversion: &Conversion) -> Vec<Group<'_>> {
    groups(conversion, |fate| match fate {
        Fate::Left(why) => Some(why),
        _ => None,
    })
}

fn replaced(conversion: &Conversion) -> Vec<Group<'_>> {
    groups(conversion, |fate| match fate {
        Fate::Replaced(why) => Some(why),
        _ => None,
    })
}

fn groups(conversion: &Conversion, reason: fn(&Fate) -> Option<&String>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (Leaf { path, .. }, fate) in &conversion.fates {
        let Some(why) = reason(fate) else { continue };
        match groups.iter_mut().find(|group| group.why == why) {
            Some(group) => group.paths.push(path.to_string()),
            None => groups.push(Group { paths: vec![path.to_string()], why }),
        }
    }
    groups
}

fn lines(groups: &[Group<'_>]) -> Vec<String> {
    groups.iter().map(|Group { paths, why }| format!("{}: {why}.", paths.join(", "))).collect()
}

/// What to say behind a new value: the key that it had, if that was another one, or why it is there.
fn origin(conversion: &Conversion, path: &Path) -> Option<String> {
    if let Some(added) = conversion.added.iter().find(|added| Path::of(added.keys) == *path) {
        return Some(added.why.to_owned());
    }
    let mut sources: Vec<String> = Vec::new();
    for (leaf, fate) in &conversion.fates {
        let Fate::Carried { to, .. } = fate else { continue };
        let (from, to) = moved(&leaf.path, to);
        if to == path.0 && from != to {
            let from = Path(from.to_vec()).to_string();
            if !sources.contains(&from) {
                sources.push(from);
            }
        }
    }
    (!sources.is_empty()).then(|| sources.join(", "))
}

/// Two ways without the end that they have in common: what was moved as a whole.
fn moved<'a>(from: &'a Path, to: &'a Path) -> (&'a [Step], &'a [Step]) {
    let same =
        std::iter::zip(from.0.iter().rev(), to.0.iter().rev()).take_while(|(from, to)| from == to).count();
    let same = same.min(to.0.len().saturating_sub(1)).min(from.0.len().saturating_sub(1));
    (&from.0[..from.0.len() - same], &to.0[..to.0.len() - same])
}

/// Words in lines of a readable length.
fn wrapped(words: &str, first: &str, next: &str) -> String {
    let (mut text, mut line) = (String::new(), first.to_owned());
    for (n, word) in words.split(' ').enumerate() {
        if n > 0 {
            let fits = line.chars().count() + 1 + word.chars().count() <= WIDTH;
            match fits {
                true => line.push(' '),
                false => {
                    text += &format!("{}\n", line.trim_end());
                    line = next.to_owned();
                }
            }
        }
        line += word;
    }
    text + &format!("{line}\n")
}
