//! The environment's settings for the hub, with the meaning that `huggingface_hub` gives them.

use std::path::PathBuf;

const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub and its local cache are.
pub(crate) struct Settings {
    /// `HF_ENDPOINT`.
    pub endpoint: String,
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub cache: PathBuf,
    /// `HF_TOKEN`, or what `hf auth login` left in `HF_HOME`.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: ask no server, use only the local cache.
    pub offline: bool,
}

impl Settings {
    /// Reads them through `variable`; one that is empty counts as not set. `user_cache` is the user's cache folder.
    pub(crate) fn new(variable: impl Fn(&str) -> Option<String>, user_cache: Option<PathBuf>) -> Self {
        let variable = |name| variable(name).filter(|value: &String| !value.is_empty());
        let hf_home = variable("HF_HOME").map(PathBuf::from);
        let hf_home = hf_home.unwrap_or_else(|| user_cache.unwrap_or_default().join("huggingface"));
        let token_file = variable("HF_TOKEN_PATH").map_or_else(|| hf_home.join("token"), PathBuf::from);
        let token = variable("HF_TOKEN").or_else(|| std::fs::read_to_string(token_file).ok());
        Self {
            endpoint: variable("HF_ENDPOINT").map_or(ENDPOINT.into(), |url| url.trim_end_matches('/').into()),
            cache: variable("HF_HUB_CACHE").map_or_else(|| hf_home.join("hub"), PathBuf::from),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
        }
    }
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variable =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Settings::new(variable, Some(PathBuf::from("/user/.cache")))
    }

    #[test]
    fn the_environment_says_where_the_hub_and_its_cache_are() {
        let default = settings(&[]);
        assert_eq!(default.endpoint, ENDPOINT);
        assert_eq!(default.cache, PathBuf::from("/user/.cache/huggingface/hub"));
        assert_eq!((default.token, default.offline), (None, false));
        let set = settings(&[
            ("HF_HOME", "/data/hf"),
            ("HF_ENDPOINT", "http://mirror/"),
            ("HF_TOKEN", "hf_x\n"),
            ("HF_HUB_OFFLINE", "TRUE"),
        ]);
        assert_eq!(set.endpoint, "http://mirror");
        assert_eq!(set.cache, PathBuf::from("/data/hf/hub"));
        assert_eq!((set.token.as_deref(), set.offline), (Some("hf_x"), true));
        assert_eq!(settings(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]).cache, PathBuf::from("/c"));
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
    }
}
