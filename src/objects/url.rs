//! URLs that name a prefix of an object store.

use std::fmt;
use std::path::Path;

const SCHEMES: [&str; 4] = ["s3://", "gs://", "az://", "file://"];

/// `s3://bucket/prefix` and the like, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(String);

impl Url {
    /// The URL that `text` is, if it begins as one of an object store.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_one = SCHEMES.iter().any(|scheme| text.starts_with(scheme));
        is_one.then(|| Self(text.trim_end_matches('/').to_owned()))
    }

    /// As [`Url::parse`], of what a user gave as a path.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Self::parse(path.to_str()?)
    }

    /// The whole URL.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `name` below this prefix; itself where `name` is empty.
    #[must_use]
    pub(crate) fn join(&self, name: &str) -> Self {
        if name.is_empty() { self.clone() } else { Self(format!("{}/{name}", self.0)) }
    }

    /// The prefix that this one lies in and its own name there; none for a whole bucket.
    pub(crate) fn split(&self) -> Option<(Self, &str)> {
        let (parent, name) = self.0.rsplit_once('/')?;
        (!parent.ends_with('/')).then(|| (Self(parent.to_owned()), name))
    }

    /// The last part of the prefix, or the bucket's name.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_url_only_with_a_scheme_that_is_known() {
        for text in ["s3://b/p", "gs://b", "az://c/p/q", "file:///tmp/x"] {
            assert_eq!(Url::of(Path::new(text)).unwrap().as_str(), text);
        }
        for text in ["cache", "/s3/x", "hub:a/b", "s3:/b", "http://h/x", "leaves"] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_splits_into_the_prefix_and_the_name_in_it() {
        let url = Url::parse("s3://bucket/caches/leaves-01/").unwrap();
        let (parent, name) = url.split().unwrap();
        assert_eq!((parent.as_str(), name, url.name()), ("s3://bucket/caches", "leaves-01", "leaves-01"));
        assert_eq!(parent.join(name), url);
        assert_eq!(parent.join(""), parent);
        assert_eq!(Url::parse("s3://bucket").unwrap().split(), None);
    }
}
