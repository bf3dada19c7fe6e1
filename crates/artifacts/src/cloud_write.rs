//! Writing an upload to a cloud: in one piece when it is small, else in parts as they come in.
//!
//! Nothing is readable before the last request, which makes all parts one object. Of an upload that ends otherwise the parts are
//! given up; Azure forgets them by itself.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use memmap2::MmapMut;
use object_store::path::Path;
use object_store::{
    Attribute, AttributeValue, Attributes, MultipartUpload, PutMultipartOptions, PutOptions, PutPayload,
    UploadPart,
};

use crate::cloud_open::Client;
use crate::cloud_uri::Container;
use crate::{ArtifactPath, Error, Result, cloud_error, mime};

const MIB: usize = 1024 * 1024;
/// What one upload may hold in parts on their way; one more part is being filled.
const IN_FLIGHT: usize = 32 * MIB;
/// What comes in is copied together into pieces of this size, whose memory comes from the system and goes back to it when the
/// piece is sent. A chunk of a request's body would keep the larger buffer that it was read into, and the C library's allocator
/// keeps half as much again as an upload has at once.
const PIECE: usize = MIB;

/// S3 and Google take 10000 parts of an object: small ones first, and large ones only where they are needed. All of them are
/// about 190 GiB.
fn part_size(part: usize) -> usize {
    match part {
        0..4000 => 8 * MIB,
        4000..7000 => 16 * MIB,
        _ => 32 * MIB,
    }
}

/// Streams `body` to `key`. While parts are on their way the next one is filled.
pub(crate) async fn put<E: Display>(
    client: Arc<Client>,
    container: Container,
    path: &ArtifactPath,
    key: Path,
    body: impl Stream<Item = std::result::Result<Bytes, E>>,
) -> Result<u64> {
    let mut body = pin!(body);
    let told = |error: object_store::Error| Error::from(cloud_error::of(&error, &container));
    let attributes = attributes(&client, path);
    let (first, mut size) = (fill(&mut body, part_size(0)).await?, 0);
    if first.content_length() < part_size(0) {
        size = first.content_length() as u64;
        let options = PutOptions { attributes, ..PutOptions::default() };
        client.objects().put_opts(&key, first, options).await.map_err(told)?;
        return Ok(size);
    }
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let mut upload = Upload(Some(client.objects().put_multipart_opts(&key, options).await.map_err(told)?));
    let (mut parts, mut on_their_way, mut payload) = (0, FuturesUnordered::new(), first);
    while payload.content_length() > 0 {
        let wanted = part_size(parts + 1);
        size += payload.content_length() as u64;
        on_their_way.push(upload.part(payload));
        parts += 1;
        while on_their_way.len() * wanted > IN_FLIGHT {
            on_their_way.next().await.transpose().map_err(told)?;
        }
        payload = fill_while(&mut body, wanted, &mut on_their_way, told).await?;
    }
    while let Some(done) = on_their_way.next().await {
        done.map_err(told)?;
    }
    upload.complete().await.map_err(told)?;
    Ok(size)
}

/// As Python's libraries tell S3 and Google what a file is, by its name; Azure is not told.
fn attributes(client: &Client, path: &ArtifactPath) -> Attributes {
    let mut attributes = Attributes::new();
    if !matches!(client, Client::Azure(_)) {
        attributes.insert(Attribute::ContentType, AttributeValue::from(mime::of_artifact(path.name())));
    }
    attributes
}

/// Takes `wanted` bytes of `body`, or a chunk more, or all that is left.
async fn fill<E: Display>(
    body: &mut (impl Stream<Item = std::result::Result<Bytes, E>> + Unpin),
    wanted: usize,
) -> Result<PutPayload> {
    let (mut pieces, mut open, mut size) = (Vec::new(), None, 0);
    while size < wanted {
        let Some(bytes) = body.next().await else { break };
        let bytes = bytes.map_err(|error| Error::Body(error.to_string()))?;
        size += bytes.len();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (mut memory, used) = match open.take() {
                Some(piece) => piece,
                None => (MmapMut::map_anon(PIECE)?, 0),
            };
            let (fits, more) = rest.split_at(rest.len().min(PIECE - used));
            let end = used + fits.len();
            memory[used..end].copy_from_slice(fits);
            rest = more;
            if end == PIECE {
                pieces.push(Bytes::from_owner(memory));
            } else {
                open = Some((memory, end));
            }
        }
    }
    pieces.extend(open.map(|(memory, end)| Bytes::from_owner(memory).slice(..end)));
    Ok(PutPayload::from_iter(pieces))
}

/// Fills the next part, and drives those on their way meanwhile.
async fn fill_while<E: Display>(
    body: &mut (impl Stream<Item = std::result::Result<Bytes, E>> + Unpin),
    wanted: usize,
    on_their_way: &mut FuturesUnordered<UploadPart>,
    told: impl Fn(object_store::Error) -> Error,
) -> Result<PutPayload> {
    let mut filling = pin!(fill(body, wanted));
    loop {
        if on_their_way.is_empty() {
            return filling.await;
        }
        match future::select(&mut filling, on_their_way.next()).await {
            future::Either::Left((payload, _)) => return payload,
            future::Either::Right((done, _)) => drop(done.transpose().map_err(&told)?),
        }
    }
}

/// An upload in parts. Dropping it gives up what was sent.
struct Upload(Option<Box<dyn MultipartUpload>>);

impl Upload {
    fn part(&mut self, payload: PutPayload) -> UploadPart {
        match &mut self.0 {
            Some(upload) => upload.put_part(payload),
            None => Box::pin(future::ready(Ok(()))),
        }
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        if let Some(upload) = &mut self.0 {
            upload.complete().await?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut upload) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    let status = cloud_error::status(&error.to_string());
                    tracing::warn!(status, "the parts of an upload that was given up could not be deleted");
                }
            });
        }
    }
}
