//! Names for runs and models whose users gave none: `adjective-noun-number`, the shape MLflow makes.

use uuid::Uuid;

const ADJECTIVES: &[&str] = &[
    "able", "agile", "amber", "ample", "apt", "arctic", "avid", "azure", "balmy", "bold", "brave", "breezy",
    "bright", "brisk", "calm", "candid", "clean", "clever", "coastal", "copper", "cosmic", "crisp",
    "curious", "daring", "deft", "eager", "early", "earnest", "easy", "fair", "fearless", "fleet", "fluent",
    "fond", "frank", "fresh", "gentle", "gilded", "glad", "golden", "grand", "hardy", "honest", "humble",
    "ideal", "jolly", "keen", "kind", "lively", "lucid", "lucky", "lunar", "mellow", "merry", "mighty",
    "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "polite", "prime", "proud", "quick",
    "quiet", "rapid", "ready", "robust", "rustic", "sharp", "silent", "silver", "sleek", "smooth", "snug",
    "solar", "solid", "spry", "stable", "steady", "stellar", "sturdy", "sunny", "swift", "tidy", "tranquil",
    "trusty", "upbeat", "valiant", "vivid", "warm", "wise", "witty", "zesty",
];

const NOUNS: &[&str] = &[
    "acorn", "anchor", "badger", "basin", "beacon", "birch", "bison", "brook", "canyon", "cedar", "clover",
    "comet", "condor", "coral", "crane", "creek", "delta", "dolphin", "dune", "eagle", "ember", "falcon",
    "fern", "finch", "fjord", "flint", "forge", "fox", "gale", "garnet", "geyser", "glacier", "grove",
    "gull", "harbor", "hare", "hawk", "heron", "hill", "ibex", "inlet", "iris", "island", "ivy", "jay",
    "juniper", "kelp", "lagoon", "lake", "lark", "ledge", "lemur", "lynx", "maple", "marlin", "marsh",
    "marten", "meadow", "mesa", "meteor", "moose", "moss", "newt", "oak", "orchid", "osprey", "otter", "owl",
    "panda", "pebble", "pine", "planet", "plover", "prairie", "puffin", "quail", "quartz", "raven", "reef",
    "ridge", "river", "robin", "salmon", "sparrow", "spruce", "stork", "summit", "swan", "thicket", "thrush",
    "tide", "tulip", "tundra", "valley", "walrus", "willow", "wren", "zephyr",
];

/// A random name such as `nimble-otter-482`.
pub fn random_name() -> String {
    // A version 4 UUID is the randomness at hand; these bytes of it carry no version or variant bits.
    let bytes = *Uuid::new_v4().as_bytes();
    let pick = |a: usize| usize::from(u16::from_le_bytes([bytes[a], bytes[a + 1]]));
    let (adjective, noun) = (ADJECTIVES[pick(0) % ADJECTIVES.len()], NOUNS[pick(2) % NOUNS.len()]);
    format!("{adjective}-{noun}-{}", pick(4) % 1000)
}

/// A new run id: 32 lower-case hexadecimal digits.
pub fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_parts() {
        for _ in 0..100 {
            let name = random_name();
            let parts: Vec<_> = name.split('-').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert!(parts[2].parse::<u32>().unwrap() < 1000, "{name}");
        }
    }
}
