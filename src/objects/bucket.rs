//! A prefix of an object store, from blocking code.

use std::fs::File;
use std::io::Read;
use std::path::{self, Component};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::connect::connect;
use super::{Created, Error, Object, Url};
use crate::support::context::Context;

const PART_BYTES: &str = "DECANT_OBJECTS_PART_BYTES";
const DEFAULT_PART_BYTES: u64 = 8 << 20;
/// Parts of one upload that are on their way at once.
const PARTS_AT_ONCE: usize = 8;
/// How often a listing, a small object, an upload or a conditional write is tried: whether a write before arrived is seen by what
/// is there.
const ATTEMPTS: u32 = 5;
const REASON_CHARACTERS: usize = 300;

/// A prefix of an object store: names are below it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: Url,
    /// Bytes of one part of an upload, and of one range of a download.
    pub(super) part_bytes: u64,
    context: Context,
}

impl Bucket {
    /// The prefix at `url`, with credentials and endpoint from the environment. Nothing is asked yet.
    ///
    /// # Errors
    /// A URL without a bucket, credentials that can't be used.
    pub(crate) fn open(url: &Url, context: &Context) -> Result<Self, Error> {
        let (store, prefix) = connect(url)?;
        let part_bytes = match std::env::var(PART_BYTES) {
            Err(_) => DEFAULT_PART_BYTES,
            Ok(value) => value.parse().ok().filter(|&bytes| bytes > 0).ok_or(Error::Setting {
                name: PART_BYTES,
                value,
                expected: "bytes of a part, such as 8388608; S3 takes 5242880 at least",
            })?,
        };
        Ok(Self { store, prefix, url: url.clone(), part_bytes, context: context.clone() })
    }

    /// Where the progress of downloads goes, and whether they are to stop.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// The prefix `folder` below this one.
    #[must_use]
    pub(crate) fn within(&self, folder: &str) -> Self {
        let prefix = folder.split('/').fold(self.prefix.clone(), Path::join);
        Self {
            store: Arc::clone(&self.store),
            prefix,
            url: self.url.join(folder),
            part_bytes: self.part_bytes,
            context: self.context.clone(),
        }
    }

    /// The URL of an object for messages; that of the prefix where `name` is empty.
    pub(crate) fn url(&self, name: &str) -> Url {
        self.url.join(name)
    }

    /// The folders right below the prefix, sorted.
    ///
    /// # Errors
    /// The store can't be reached, or refuses.
    pub(crate) fn folders(&self) -> Result<Vec<String>, Error> {
        let listing =
            again(|| runtime().block_on(self.store.list_with_delimiter(Some(&self.prefix))), broke_off);
        let listing = match listing {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            result => result.map_err(self.failed("listed", ""))?,
        };
        let mut names: Vec<String> = listing
            .common_prefixes
            .iter()
            .filter_map(|folder| folder.filename().map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Every object below the prefix, sorted by name.
    ///
    /// # Errors
    /// The store can't be reached, or refuses; a name that would lead out of a local copy.
    pub(crate) fn list(&self) -> Result<Vec<Object>, Error> {
        let listing = again(
            || runtime().block_on(self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>()),
            broke_off,
        );
        let listing = match listing {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            result => result.map_err(self.failed("listed", ""))?,
        };
        let mut objects = Vec::with_capacity(listing.len());
        for meta in listing {
            let whole = meta.location.as_ref();
            let name = whole.strip_prefix(self.prefix.as_ref()).unwrap_or(whole);
            let name = name.trim_start_matches('/').to_owned();
            if !stays_inside(&name) {
                return Err(Error::Name { url: self.url.to_string(), name });
            }
            objects.push(Object { name, bytes: meta.size, tag: meta.e_tag });
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// A small object's bytes; none when it is not there.
    ///
    /// # Errors
    /// The store can't be reached, or refuses.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        let read = async || {
            let answer = self.store.get_opts(&path, GetOptions::default()).await?;
            let expected = answer.meta.size;
            Ok((answer.bytes().await?, expected))
        };
        let bytes = again(|| runtime().block_on(read()), broke_off);
        match bytes {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", name)(error)),
            Ok((bytes, expected)) if bytes.len() as u64 != expected => {
                Err(Error::Length { url: self.url(name).to_string(), expected, found: bytes.len() as u64 })
            }
            Ok((bytes, _)) => Ok(Some(bytes.into())),
        }
    }

    /// Writes an object unless there is one of this name: of several writers, one is the first.
    ///
    /// # Errors
    /// The store can't be reached, refuses, or knows no conditional writes.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes.to_vec());
        let mut attempt = 1;
        loop {
            let options = PutOptions::from(PutMode::Create);
            match runtime().block_on(self.store.put_opts(&path, payload.clone(), options)) {
                Ok(_) => return Ok(Created::New),
                Err(object_store::Error::AlreadyExists { .. }) => {
                    if let Some(there) = self.read(name)? {
                        return Ok(Created::There(there));
                    }
                }
                Err(error @ object_store::Error::Generic { .. }) if attempt == ATTEMPTS => {
                    return Err(self.failed("written", name)(error));
                }
                Err(object_store::Error::Generic { .. }) => {
                    std::thread::sleep(Duration::from_millis(100 << attempt));
                }
                Err(error) => return Err(self.failed("written", name)(error)),
            }
            attempt += 1;
            if attempt > ATTEMPTS {
                let reason = "it comes and goes while it is being written".to_owned();
                return Err(Error::Store { url: self.url(name).to_string(), action: "written", reason });
            }
        }
    }

    /// Writes a file's bytes to an object, in parallel parts where it is large. The object appears whole or not at all.
    ///
    /// An answer that breaks off leaves no way to tell what the store did, and `object_store` does not ask again: the upload is
    /// begun anew.
    ///
    /// # Errors
    /// A file that can't be read; the store can't be reached, or refuses.
    pub(crate) fn upload(&self, file: &path::Path, name: &str) -> Result<(), Error> {
        again(|| self.upload_once(file, name), |error| matches!(error, Error::Store { .. }))
    }

    fn upload_once(&self, file: &path::Path, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let read = || Error::local("read", file);
        let mut source = File::open(file).map_err(read())?;
        let bytes = source.metadata().map_err(read())?.len();
        if bytes <= self.part_bytes {
            let mut content = Vec::with_capacity(bytes as usize);
            source.read_to_end(&mut content).map_err(read())?;
            let put = self.store.put(&path, PutPayload::from(content));
            return runtime().block_on(put).map(drop).map_err(self.failed("written", name));
        }
        runtime().block_on(async {
            let mut upload = self.store.put_multipart(&path).await.map_err(self.failed("written", name))?;
            let result = match self.parts(&mut *upload, &mut source, file, name).await {
                Ok(()) => upload.complete().await.map(drop).map_err(self.failed("written", name)),
                failed => failed,
            };
            if result.is_err() {
                // Parts of an upload that is never completed cost money until the store's own rules remove them.
                let _ = upload.abort().await;
            }
            result
        })
    }

    /// Sends a file's parts, several at once.
    async fn parts(
        &self,
        upload: &mut dyn MultipartUpload,
        source: &mut File,
        file: &path::Path,
        name: &str,
    ) -> Result<(), Error> {
        let mut on_their_way = JoinSet::new();
        loop {
            let mut part = Vec::with_capacity(self.part_bytes as usize);
            source.take(self.part_bytes).read_to_end(&mut part).map_err(Error::local("read", file))?;
            let is_last = part.is_empty();
            if !is_last {
                on_their_way.spawn(upload.put_part(part.into()));
            }
            while on_their_way.len() >= if is_last { 1 } else { PARTS_AT_ONCE } {
                if let Some(sent) = on_their_way.join_next().await {
                    let sent = sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
                    sent.map_err(self.failed("written", name))?;
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Deletes an object; a missing one is not an error.
    ///
    /// # Errors
    /// The store can't be reached, or refuses.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        match runtime().block_on(self.store.delete(&self.path(name))) {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(self.failed("deleted", name)(error)),
        }
    }

    pub(super) fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), Path::join)
    }

    pub(super) fn failed(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(object_store::Error) -> Error + use<> {
        let url = self.url(name).to_string();
        move |error| match error {
            object_store::Error::NotFound { .. } if action == "read" => Error::Gone { url },
            object_store::Error::Precondition { .. } => Error::Changed { url },
            error => Error::Store { url, action, reason: one_line(&error.to_string()) },
        }
    }
}

/// The threads that move bytes; everything else here waits for them.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("objects").enable_all();
        builder.build().expect("a process can have two more threads")
    })
}

/// Asks again where an answer broke off in its body, which `object_store` does not.
fn again<T, E>(ask: impl Fn() -> Result<T, E>, broke_off: impl Fn(&E) -> bool) -> Result<T, E> {
    for attempt in 1..ATTEMPTS {
        match ask() {
            Err(error) if broke_off(&error) => std::thread::sleep(Duration::from_millis(100 << attempt)),
            answer => return answer,
        }
    }
    ask()
}

fn broke_off(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. })
}

/// Whether a name is a path that stays below where it is put.
fn stays_inside(name: &str) -> bool {
    let plain = |component| matches!(component, Component::Normal(_));
    !name.is_empty() && !name.contains(['\\', '\0']) && path::Path::new(name).components().all(plain)
}

/// The answer of a store, without the line breaks of its XML, cut to the length of a sentence.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(REASON_CHARACTERS) {
        Some((end, _)) => format!("{} ...", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(folder: &path::Path) -> Bucket {
        Bucket::open(&Url::parse(&format!("file://{}/caches", folder.display())).unwrap(), &Context::silent())
            .unwrap()
    }

    #[test]
    fn of_two_writers_of_one_name_the_first_stays() {
        let folder = tempfile::tempdir().unwrap();
        let bucket = bucket(folder.path()).within("leaves-01");
        assert_eq!(bucket.read("manifest.json").unwrap(), None);
        assert_eq!(bucket.create("manifest.json", b"first").unwrap(), Created::New);
        assert_eq!(bucket.create("manifest.json", b"second").unwrap(), Created::There(b"first".to_vec()));
        assert_eq!(bucket.read("manifest.json").unwrap().unwrap(), b"first");
    }

    #[test]
    fn what_is_uploaded_in_parts_is_listed_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bucket = bucket(folder.path());
        assert_eq!(bucket.list().unwrap(), []);
        assert_eq!(bucket.folders().unwrap(), Vec::<String>::new());
        let content: Vec<u8> = (0..DEFAULT_PART_BYTES * 2 + 5).map(|byte| (byte % 251) as u8).collect();
        let file = folder.path().join("shard");
        std::fs::write(&file, &content).unwrap();
        bucket.upload(&file, "leaves-01/train/part-00000.parquet").unwrap();
        let listed = bucket.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].name.as_str(), listed[0].bytes),
            ("leaves-01/train/part-00000.parquet", DEFAULT_PART_BYTES * 2 + 5)
        );
        assert_eq!(bucket.folders().unwrap(), ["leaves-01"]);
        assert!(bucket.read(&listed[0].name).unwrap().unwrap() == content);
        bucket.delete(&listed[0].name).unwrap();
        bucket.delete(&listed[0].name).unwrap();
        assert_eq!(bucket.list().unwrap(), []);
    }

    #[test]
    fn names_that_lead_out_of_a_folder_are_told_from_those_that_stay() {
        assert!(stays_inside("train/healthy/a b.png"));
        for name in ["", "../x", "/etc/passwd", "a/../b", "a\\b", "a\0"] {
            assert!(!stays_inside(name), "{name:?}");
        }
    }
}
