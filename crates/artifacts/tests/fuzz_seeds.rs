//! The fuzz target of artifact paths (`fuzz/`), over its seeds and what can be made of two of them.

#[path = "../../../fuzz/checks/artifact_path.rs"]
mod check;

use std::fs;
use std::path::Path;

#[test]
fn no_seed_leads_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/artifact_path");
    let seeds: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() > 30, "the seeds are gone");
    for first in &seeds {
        check::artifact_path(first);
        for second in &seeds {
            check::artifact_path(&[&first[..], second].concat());
            check::artifact_path(&[&first[..], b"/", second].concat());
        }
    }
}
