//! From objects to files: in parallel ranges, checked before a file has its name.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use md5::{Digest as _, Md5};
use object_store::{GetOptions, GetRange, ObjectStoreExt};
use tokio::sync::Semaphore;

use super::bucket::{Bucket, runtime};
use super::{Error, Wanted};
use crate::support::atomic::AtomicFile;
use crate::support::hash::Digest;
use crate::support::threads::side_by_side;

/// Files that are on their way at once.
const FILES_AT_ONCE: usize = 16;
/// Ranges of one file that are on their way at once.
const RANGES_AT_ONCE: usize = 4;
/// Ranges that are on their way, or wait to be written, in the whole process: 128 MiB at most.
static RANGES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(16)));
/// How often a body that came short, or a file that came wrong, is asked for: what the network did to it will not happen again.
const ATTEMPTS: u32 = 4;

/// A downloaded object.
struct Fetched {
    blake3: Digest,
    /// Where it can be compared with the object's tag.
    md5: Option<String>,
}

impl Bucket {
    /// Downloads each object to its path, several at once, and calls `done` with its number and digest when it is there. A file gets its
    /// name only when it has the object's length and, where that is known, its digest.
    ///
    /// # Errors
    /// The first that failed; what is there by then stays.
    pub(crate) fn download<E: From<Error> + Send>(
        &self,
        label: &str,
        wanted: &[(Wanted, PathBuf)],
        done: &(dyn Fn(usize, Digest) -> Result<(), E> + Sync),
    ) -> Result<(), E> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let progress = Mutex::new(self.context().progress(label, wanted.len() as u64, "files"));
        let work = |_| {
            while !failed.load(Ordering::Relaxed)
                && let Some((index, (object, path))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, wanted.get(i)?)))
            {
                let result = self.file(object, path).map_err(E::from).and_then(|digest| done(index, digest));
                if result.is_err() {
                    failed.store(true, Ordering::Relaxed);
                    return result;
                }
                progress.lock().unwrap_or_else(PoisonError::into_inner).advance(1);
            }
            Ok(())
        };
        side_by_side(0..FILES_AT_ONCE.min(wanted.len()), work)?;
        Ok(())
    }

    /// One object. What came otherwise than it should is asked for again, for it may have changed on its way.
    fn file(&self, wanted: &Wanted, path: &Path) -> Result<Digest, Error> {
        let mut before = None;
        for _ in 0..ATTEMPTS {
            let (file, found) = self.fetch(wanted, path)?;
            let is_right = match wanted.blake3 {
                Some(expected) => found.blake3 == expected,
                // The tag of an object that is encrypted with a key of its own looks like an MD5 and is not one: there, twice the same
                // bytes must do.
                None => found.md5.is_none_or(|md5| md5 == tag(wanted)) || before == Some(found.blake3),
            };
            if is_right {
                file.commit().map_err(Error::local("written", path))?;
                return Ok(found.blake3);
            }
            before = Some(found.blake3);
        }
        let url = self.url(&wanted.object.name).to_string();
        Err(match (wanted.blake3, before) {
            (Some(expected), Some(found)) => Error::Digest { url, expected, found },
            _ => {
                Error::Store { url, action: "read", reason: "it came with other bytes each time".to_owned() }
            }
        })
    }

    /// Reads an object into a file that has no name yet.
    fn fetch(&self, wanted: &Wanted, path: &Path) -> Result<(AtomicFile, Fetched), Error> {
        let written = || Error::local("written", path);
        let mut file = AtomicFile::create(path).map_err(written())?;
        let mut hasher = blake3::Hasher::new();
        let mut md5 = (wanted.blake3.is_none() && is_md5(tag(wanted))).then(Md5::new);
        let (total, part) = (wanted.object.bytes, self.part_bytes);
        let ranges = (0..total).step_by(part as usize).map(|from| from..(from + part).min(total));
        runtime().block_on(async {
            let chunks = stream::iter(ranges)
                // In order, so that the range that is written next is never the one that waits.
                .then(
                    #[expect(clippy::async_yields_async, reason = "buffered waits for what is spawned here")]
                    |range| async {
                        let permit = Arc::clone(&RANGES).acquire_owned().await;
                        let (bucket, wanted) = (self.clone(), wanted.clone());
                        tokio::spawn(async move {
                            let bytes = bucket.range(&wanted, range).await?;
                            Ok::<_, Error>((bytes, permit))
                        })
                    },
                )
                .buffered(RANGES_AT_ONCE)
                .map(|joined| joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())));
            let mut chunks = std::pin::pin!(chunks);
            while let Some((bytes, _permit)) = chunks.try_next().await? {
                if self.context().is_cancelled() {
                    return Err(Error::Interrupted);
                }
                hasher.update(&bytes);
                if let Some(md5) = &mut md5 {
                    md5.update(&bytes);
                }
                file.write_all(&bytes).map_err(written())?;
            }
            Ok(())
        })?;
        let md5 = md5.map(|md5| hex(&md5.finalize()));
        Ok((file, Fetched { blake3: Digest(*hasher.finalize().as_bytes()), md5 }))
    }

    /// One range, in its whole length, of an object that is the one that was listed.
    async fn range(&self, wanted: &Wanted, range: Range<u64>) -> Result<Bytes, Error> {
        let name = &wanted.object.name;
        let length =
            |expected: u64, found: u64| Error::Length { url: self.url(name).to_string(), expected, found };
        let mut attempt = 1;
        loop {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: wanted.object.tag.clone(),
                ..GetOptions::default()
            };
            let answer = match self.store.get_opts(&self.path(name), options).await {
                Ok(answer) => answer,
                Err(error) => {
                    // A range past an object's end is refused in as many ways as there are stores.
                    let now = self.store.head(&self.path(name)).await.map(|meta| meta.size);
                    return Err(match now {
                        Ok(now) if now != wanted.object.bytes => length(wanted.object.bytes, now),
                        _ => self.failed("read", name)(error),
                    });
                }
            };
            if answer.meta.size != wanted.object.bytes {
                return Err(length(wanted.object.bytes, answer.meta.size));
            }
            let expected = range.end - range.start;
            match answer.bytes().await {
                Ok(bytes) if bytes.len() as u64 == expected => return Ok(bytes),
                Ok(bytes) if attempt == ATTEMPTS => return Err(length(expected, bytes.len() as u64)),
                Err(error) if attempt == ATTEMPTS => return Err(self.failed("read", name)(error)),
                Ok(_) | Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}

/// The object's tag without its quotes.
fn tag(wanted: &Wanted) -> &str {
    wanted.object.tag.as_deref().unwrap_or_default().trim_matches('"')
}

/// Whether a tag looks like the MD5 that S3 gives an object that was written in one part.
fn is_md5(tag: &str) -> bool {
    tag.len() == 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Object, Url};

    fn bucket(folder: &Path) -> Bucket {
        Bucket::open(
            &Url::parse(&format!("file://{}", folder.display())).unwrap(),
            &crate::support::context::Context::silent(),
        )
        .unwrap()
    }

    fn wanted(bytes: u64, blake3: Option<Digest>) -> Wanted {
        Wanted { object: Object { name: "shard".to_owned(), bytes, tag: None }, blake3 }
    }

    fn download(bucket: &Bucket, wanted: Wanted, to: &Path) -> Result<(), Error> {
        bucket.download("download", &[(wanted, to.to_owned())], &|_, _| Ok(()))
    }

    #[test]
    fn a_file_appears_only_with_the_bytes_that_are_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let bucket = bucket(folder.path());
        let content: Vec<u8> = (0..bucket.part_bytes * 6 + 11).map(|byte| (byte % 253) as u8).collect();
        std::fs::write(folder.path().join("shard"), &content).unwrap();
        let to = folder.path().join("here/shard");
        let bytes = content.len() as u64;

        let other = Digest::of(b"something else");
        let error = download(&bucket, wanted(bytes, Some(other)), &to).unwrap_err();
        assert!(matches!(error, Error::Digest { expected, .. } if expected == other), "{error}");
        let error = download(&bucket, wanted(bytes + 1, Some(other)), &to).unwrap_err();
        assert!(matches!(error, Error::Length { .. }), "{error}");
        assert!(!to.exists() && std::fs::read_dir(to.parent().unwrap()).unwrap().count() == 0);

        download(&bucket, wanted(bytes, Some(Digest::of(&content))), &to).unwrap();
        assert!(std::fs::read(&to).unwrap() == content);
    }

    #[test]
    fn an_object_that_is_gone_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("here");
        let error = download(&bucket(folder.path()), wanted(5, None), &to).unwrap_err();
        assert!(error.to_string().starts_with("there is no file://"), "{error}");
        assert!(!to.exists());
    }
}
