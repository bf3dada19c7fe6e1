//! The artifact store: one small object under a name of its own, written, read whole and in part, and deleted.

use super::clock::{self, Asked};
use super::report::{Finding, Verdict, for_operator};
use crate::start::reason;
use artifacts::{ArtifactPath, ByteRange, Container, Error, Fault, Store};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use std::convert::Infallible;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(20);
const CONTENT: &[u8] = b"written by ferroflow doctor, which deletes it again";

/// What is done, what it is called as a check, and which right each cloud asks for.
struct Step {
    check: &'static str,
    verb: &'static str,
    azure: &'static str,
    s3: &'static str,
    gcs: &'static str,
}

const WRITE: Step = Step {
    check: "artifacts.write",
    verb: "write",
    azure: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
    s3: "s3:PutObject",
    gcs: "storage.objects.create",
};
const READ: Step = Step {
    check: "artifacts.read",
    verb: "read",
    azure: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    s3: "s3:GetObject",
    gcs: "storage.objects.get",
};
const RANGE: Step = Step { check: "artifacts.range", verb: "read a part of", ..READ };
const DELETE: Step = Step {
    check: "artifacts.delete",
    verb: "delete",
    azure: "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
    s3: "s3:DeleteObject",
    gcs: "storage.objects.delete",
};

/// Goes through the store.
pub async fn look(store: Option<&Store>) -> Vec<Finding> {
    let Some(store) = store else {
        return vec![Finding::notice(
            "artifacts.place",
            "this server serves none; clients reach them by themselves",
        )];
    };
    let mut findings = vec![match place(store).await {
        Ok(place) => place,
        Err(stopped) => return vec![stopped],
    }];
    let name = format!(".ferroflow-doctor-{}", uuid::Uuid::new_v4().simple());
    let path = match ArtifactPath::parse(&name) {
        Ok(path) => path,
        Err(error) => return vec![failed(&WRITE, store, &error)],
    };
    let from = SystemTime::now();
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from_static(CONTENT))]);
    if let Err(finding) = done(&WRITE, store, store.put(&path, body)).await {
        findings.push(finding);
        return findings;
    }
    let until = SystemTime::now();
    findings.push(Finding::ok(WRITE.check, "an object can be written"));
    match done(&READ, store, read(store, &path, None)).await {
        Ok((bytes, written)) => {
            findings.push(same(&READ, &bytes, CONTENT));
            findings.push(clock::compare(
                "artifacts.clock",
                "The store's clock",
                written,
                Asked { from, until },
            ));
            let part = done(&RANGE, store, read(store, &path, Some(ByteRange::Between(8, 9)))).await;
            findings.push(
                part.map_or_else(|finding| finding, |(bytes, _)| same(&RANGE, &bytes, &CONTENT[8..10])),
            );
        }
        Err(finding) => findings.push(finding),
    }
    findings.push(match done(&DELETE, store, store.delete(&path)).await {
        Ok(()) => Finding::ok(DELETE.check, "and deleted again"),
        Err(finding) => Finding { detail: format!("{} {name} is left behind.", finding.detail), ..finding },
    });
    findings
}

/// Where it is, and that it can be reached.
async fn place(store: &Store) -> Result<Finding, Finding> {
    const CHECK: &str = "artifacts.place";
    match store {
        Store::Local(local) if !local.root().is_dir() => Err(Finding::notice(
            CHECK,
            format!("there is no folder {store} yet; the server makes it at its start"),
        )),
        Store::Local(local) => match local.check_writable() {
            Ok(()) => Ok(Finding::ok(CHECK, format!("{store}, a folder of this machine"))),
            Err(e) => Err(Finding::new(
                CHECK,
                Verdict::Failure,
                format!("{store}: {}", reason(&e)),
                "Let this user write there, or name another --artifacts-destination",
            )),
        },
        Store::Cloud(cloud) => match timeout(PATIENCE, cloud.check()).await {
            Ok(Ok(())) => Ok(Finding::ok(CHECK, store.to_string())),
            Ok(Err(error)) => {
                let (detail, advice) = for_operator(&error.to_string());
                Err(Finding { check: CHECK, verdict: Verdict::Failure, detail, advice })
            }
            Err(_) => Err(silent(CHECK, store)),
        },
    }
}

async fn read(
    store: &Store,
    path: &ArtifactPath,
    range: Option<ByteRange>,
) -> artifacts::Result<(Vec<u8>, SystemTime)> {
    let found = store.get(path, range).await?;
    let modified = found.meta.modified;
    let mut bytes = Vec::new();
    let mut body = found.body;
    while let Some(piece) = body.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, modified))
}

async fn done<T>(
    step: &Step,
    store: &Store,
    doing: impl Future<Output = artifacts::Result<T>>,
) -> Result<T, Finding> {
    match timeout(PATIENCE, doing).await {
        Ok(done) => done.map_err(|error| failed(step, store, &error)),
        Err(_) => Err(silent(step.check, store)),
    }
}

fn same(step: &Step, found: &[u8], expected: &[u8]) -> Finding {
    match found == expected {
        true if step.check == RANGE.check => Finding::ok(step.check, "in part, too"),
        true => Finding::ok(step.check, "and read"),
        false => Finding::new(
            step.check,
            Verdict::Failure,
            format!(
                "what was read is not what was written: {} bytes instead of {}",
                found.len(),
                expected.len()
            ),
            "Look for a cache or a gateway between this server and the store",
        ),
    }
}

fn silent(check: &'static str, store: &Store) -> Finding {
    Finding::new(
        check,
        Verdict::Failure,
        format!("{store} did not answer within {} s", PATIENCE.as_secs()),
        "Check the network, firewalls, and the endpoint's name",
    )
}

fn failed(step: &Step, store: &Store, error: &Error) -> Finding {
    let (detail, mut advice) = for_operator(&error.to_string());
    if let (Store::Cloud(cloud), Error::Cloud(error)) = (store, error)
        && error.fault == Fault::Role
    {
        let right = match cloud.container() {
            Container::Azure { .. } => step.azure,
            Container::S3(_) => step.s3,
            Container::Gcs(_) => step.gcs,
        };
        let role = advice.map(|advice| format!(": {advice}")).unwrap_or_default();
        advice = Some(format!("The right that is missing is {right}{role}"));
    }
    let detail = format!("Cannot {} an object: {detail}", step.verb);
    Finding { check: step.check, verdict: Verdict::Failure, detail, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verdicts(store: &Store) -> Vec<(&'static str, Verdict)> {
        look(Some(store)).await.into_iter().map(|finding| (finding.check, finding.verdict)).collect()
    }

    #[tokio::test]
    async fn a_folder_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let found = verdicts(&Store::local(folder.path().to_owned())).await;
        let checks = ["place", "write", "read", "clock", "range", "delete"];
        let expected: Vec<_> = checks.iter().map(|name| format!("artifacts.{name}")).collect();
        assert_eq!(found.iter().map(|(check, _)| *check).collect::<Vec<_>>(), expected);
        assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::Ok), "{found:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("artifacts");
        assert_eq!(verdicts(&Store::local(missing.clone())).await, [("artifacts.place", Verdict::Notice)]);
        assert!(!missing.exists());
    }
}
