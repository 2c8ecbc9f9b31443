//! From a URL and the environment to a client.

use std::sync::{Arc, Once};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::{Error, Url};

const RETRIES: &str = "DECANT_OBJECTS_RETRIES";
const DEFAULT_RETRIES: usize = 10;
/// An answer may take as long as it keeps coming: a large range over a slow line is not a failure.
const REQUEST_TIMEOUT: &str = "1 hour";
/// A line that has said nothing for so long is dead.
const READ_TIMEOUT: &str = "30 seconds";

/// A builder from the environment, with timeouts that suit large bodies unless the environment has its own.
macro_rules! from_env {
    ($builder:ty, $key:path, $prefix:literal, $url:expr, $retry:expr) => {{
        let mut builder = <$builder>::from_env().with_url($url.as_str()).with_retry($retry);
        let timeouts = [
            (concat!($prefix, "_TIMEOUT"), ClientConfigKey::Timeout, REQUEST_TIMEOUT),
            (concat!($prefix, "_READ_TIMEOUT"), ClientConfigKey::ReadTimeout, READ_TIMEOUT),
        ];
        for (variable, key, value) in timeouts {
            if std::env::var_os(variable).is_none() {
                builder = builder.with_config($key(key), value);
            }
        }
        builder
    }};
}

/// The store that `url` is in, and the prefix there.
pub(super) fn connect(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
    choose_tls();
    let refused = |reason: String| Error::Url { url: url.to_string(), reason };
    let failed = |error: object_store::Error| refused(error.to_string());
    let retry = retry()?;
    let (scheme, rest) = url.as_str().split_once("://").unwrap_or_default();
    if scheme == "file" {
        let path = std::path::Path::new(rest);
        if !path.is_absolute() {
            return Err(refused("a file URL has an absolute path, such as file:///data/caches".to_owned()));
        }
        let prefix = Path::parse(rest).map_err(|error| refused(error.to_string()))?;
        return Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), prefix));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(refused("it names no bucket".to_owned()));
    }
    let prefix = Path::parse(prefix).map_err(|error| refused(error.to_string()))?;
    let store: Arc<dyn ObjectStore> = match scheme {
        "s3" => {
            let mut builder = from_env!(AmazonS3Builder, AmazonS3ConfigKey::Client, "AWS", url, retry);
            let endpoints = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
            let endpoint = endpoints.iter().find_map(|key| builder.get_config_value(key));
            if endpoint.is_some_and(|endpoint| is_loopback(&endpoint)) {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.build().map_err(failed)?)
        }
        "gs" => {
            let builder = from_env!(GoogleCloudStorageBuilder, GoogleConfigKey::Client, "GOOGLE", url, retry);
            Arc::new(builder.build().map_err(failed)?)
        }
        _ => {
            let builder = from_env!(MicrosoftAzureBuilder, AzureConfigKey::Client, "AZURE", url, retry);
            Arc::new(builder.build().map_err(failed)?)
        }
    };
    Ok((store, prefix))
}

/// Retries of one request: waits of 0.1 s, doubled up to 15 s, with jitter; 3 minutes at most from its first attempt.
fn retry() -> Result<RetryConfig, Error> {
    let max_retries = match std::env::var(RETRIES) {
        Ok(value) => value.parse().map_err(|_| Error::Setting {
            name: RETRIES,
            value,
            expected: "how often a request is tried again, such as 10",
        })?,
        Err(_) => DEFAULT_RETRIES,
    };
    Ok(RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            base: 2.0,
        },
        max_retries,
        retry_timeout: Duration::from_mins(3),
    })
}

/// Without TLS only to this machine; elsewhere `AWS_ALLOW_HTTP=true` asks for it.
fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.strip_prefix("http://").unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| {
        host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

/// rustls with ring, for the whole process: ring needs no more than a C compiler to build.
fn choose_tls() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // Fails only where a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for endpoint in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000/"] {
            assert!(is_loopback(endpoint), "{endpoint}");
        }
        for endpoint in
            ["https://localhost", "http://localhost.example.org", "http://127.0.0.100", "http://minio:9000"]
        {
            assert!(!is_loopback(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_url_without_a_bucket_or_with_a_relative_path_is_refused() {
        let said = |text: &str| connect(&Url::parse(text).unwrap()).unwrap_err().to_string();
        insta::assert_snapshot!(said("s3:///x"), @"s3:///x can't be used as an object store: it names no bucket");
        insta::assert_snapshot!(
            said("file://x"),
            @"file://x can't be used as an object store: a file URL has an absolute path, such as file:///data/caches"
        );
        assert!(said("s3://bucket/a/../b").contains("can't be used as an object store"));
    }
}
