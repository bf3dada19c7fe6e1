//! Reading a file as a stream of chunks, one chunk ahead of whoever takes them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::task::{JoinHandle, spawn_blocking};

/// Large enough that the hop to the blocking pool costs little, small enough for a thousand downloads at once.
const CHUNK: u64 = 256 * 1024;

/// The bytes of `range`. At most two chunks are in memory: one being sent, one being read.
pub(crate) fn chunks(file: File, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
    let reader = Reader { file, at: range.start, end: range.end };
    let first = if range.is_empty() { Next::Nothing } else { Next::Start(reader) };
    stream::unfold(first, step).boxed()
}

enum Next {
    Start(Reader),
    Reading(JoinHandle<io::Result<(Bytes, Reader)>>),
    Nothing,
}

struct Reader {
    file: File,
    at: u64,
    end: u64,
}

async fn step(next: Next) -> Option<(io::Result<Bytes>, Next)> {
    let reading = match next {
        Next::Start(mut reader) => spawn_blocking(move || {
            reader.file.seek(SeekFrom::Start(reader.at))?;
            reader.read()
        }),
        Next::Reading(reading) => reading,
        Next::Nothing => return None,
    };
    match reading.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked))) {
        Ok((chunk, reader)) if reader.at == reader.end => Some((Ok(chunk), Next::Nothing)),
        Ok((chunk, reader)) => Some((Ok(chunk), Next::Reading(spawn_blocking(move || reader.read())))),
        Err(error) => Some((Err(error), Next::Nothing)),
    }
}

impl Reader {
    fn read(mut self) -> io::Result<(Bytes, Self)> {
        let wanted = CHUNK.min(self.end - self.at);
        let mut chunk = Vec::with_capacity(wanted as usize);
        // Unlike `read_exact` this does not fill the buffer with zeros before.
        let got = (&self.file).take(wanted).read_to_end(&mut chunk)? as u64;
        if got < wanted {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.at += got;
        Ok((chunk.into(), self))
    }
}
