//! A teacher on the Hugging Face hub: `hub:ORG/NAME`, an ONNX export with the files that describe it.

use std::path::Path;

use super::Error;
use super::external::external_files;
use super::location::{Location, MODEL_LIMIT, read};
use crate::support::hub::{Hub, Kind, Listing, Settings};
use crate::support::user_cache;

/// The prefix that tells a model on the hub from a path.
pub(super) const PREFIX: &str = "hub:";

const REVISION: &str = "main";

/// The files that describe a model.
const DESCRIPTIONS: [&str; 3] = ["config.json", "preprocessor_config.json", "processor_config.json"];

/// Fetches the model, its external data and what describes it; the local cache is used for what it has.
///
/// # Errors
/// A malformed id, a hub that can't be reached, a repository without an ONNX file.
pub(super) fn fetch(id: &str) -> Result<Location, Error> {
    fetch_with(id, Settings::new(|name| std::env::var(name).ok(), user_cache::shared()))
}

fn fetch_with(id: &str, settings: Settings) -> Result<Location, Error> {
    let hub = Hub::new(id, Kind::Model, settings).ok_or_else(|| Error::HubId { id: id.to_owned() })?;
    if hub.settings().offline {
        let fetched = hub.fetched(REVISION).and_then(|snapshot| Location::on_disk(&snapshot).ok());
        return fetched.ok_or_else(|| Error::Offline { id: id.to_owned(), path: hub.folder() });
    }
    let endpoint = hub.settings().endpoint.clone();
    let api = hub.api()?;
    let Listing { commit, names } = hub.list(&api, REVISION)?;
    let model = model_of(&names).ok_or_else(|| {
        let found = names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        Error::NoHubModel { id: id.to_owned(), endpoint: endpoint.clone(), found }
    })?;
    let file = |name: &str| hub.file(&api, REVISION, &commit, name);
    let path = file(model)?;
    let reason = |reason: String| Error::Malformed { path: path.clone(), reason };
    for external in external_files(&read(&path, MODEL_LIMIT)?).map_err(reason)? {
        let name = Path::new(model).with_file_name(external);
        file(&name.to_string_lossy())?;
    }
    let folder = Path::new(model).parent().unwrap_or(Path::new(""));
    for name in DESCRIPTIONS {
        for place in [folder.join(name), Path::new(name).to_path_buf()] {
            let place = place.to_string_lossy().into_owned();
            if names.contains(&place) {
                file(&place)?;
            }
        }
    }
    Location::on_disk(&path)
}

/// `model.onnx` at the root or in `onnx`, or the only ONNX file of a repository.
fn model_of(names: &[String]) -> Option<&str> {
    let known = ["model.onnx", "onnx/model.onnx"];
    if let Some(name) = known.into_iter().find(|known| names.iter().any(|name| name == known)) {
        return Some(name);
    }
    let mut models =
        names.iter().filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "onnx"));
    models.next().filter(|_| models.next().is_none()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config;
    use crate::teacher::identify;

    const COMMIT: &str = "5c6e2a0f";
    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/teacher/external-data");

    type Names = HashMap<String, Vec<u8>>;

    /// A hub with one model, `org/leaves`, whose requests may be counted.
    struct Server {
        endpoint: String,
        asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    }

    impl Server {
        fn start(files: Names) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let counted = std::sync::Arc::clone(&asked);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let _ = serve(stream.unwrap(), &files);
                }
            });
            Self { endpoint, asked }
        }

        fn settings(&self, home: &Path, offline: bool) -> Settings {
            Settings { endpoint: self.endpoint.clone(), cache: home.join("hub"), token: None, offline }
        }

        fn asked(&self) -> usize {
            self.asked.load(std::sync::atomic::Ordering::SeqCst)
        }
    }

    fn serve(mut stream: TcpStream, files: &Names) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().replace("%2F", "/");
        let mut range = None;
        for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let lower = line.to_lowercase();
            range = lower.strip_prefix("range:").map(|range| range.trim().to_owned()).or(range);
        }
        if path == "/api/models/org/leaves/revision/main" {
            let siblings: Vec<_> = files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
            let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
            return answer(&mut stream, "200 OK", "content-type: application/json\r\n", body.as_bytes());
        }
        let name = path.strip_prefix("/org/leaves/resolve/main/").unwrap_or_default();
        let Some(bytes) = files.get(name) else { return answer(&mut stream, "404 Not Found", "", b"") };
        let range = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (start, end) = range.map_or((0, bytes.len()), |(start, end)| {
            (start.parse().unwrap(), end.parse().map_or(bytes.len(), |end: usize| end + 1))
        });
        let headers = format!(
            "etag: \"{}\"\r\nx-repo-commit: {COMMIT}\r\ncontent-range: bytes {start}-{}/{}\r\n",
            crate::support::hash::Digest::of(bytes).short(16),
            end - 1,
            bytes.len()
        );
        answer(&mut stream, "206 Partial Content", &headers, &bytes[start..end])
    }

    fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        )?;
        stream.write_all(body)
    }

    fn files(folder: &str) -> Names {
        let read = |name: &str| std::fs::read(format!("{GOLDEN}/{name}")).unwrap();
        HashMap::from([
            ("README.md".to_owned(), b"# leaves".to_vec()),
            (format!("{folder}model.onnx"), read("model.onnx")),
            (format!("{folder}model.onnx_data"), read("model.onnx_data")),
            (format!("{folder}model_quantized.onnx"), b"another".to_vec()),
            ("config.json".to_owned(), read("config.json")),
            ("preprocessor_config.json".to_owned(), read("preprocessor_config.json")),
        ])
    }

    #[test]
    fn a_model_is_fetched_once_and_used_offline_afterwards() {
        let expected = {
            let teacher = config::Teacher { model: GOLDEN.to_owned(), ..config::Teacher::default() };
            identify(&teacher).unwrap().fingerprint
        };
        for folder in ["", "onnx/"] {
            let home = tempfile::tempdir().unwrap();
            let server = Server::start(files(folder));
            let identity = |offline| {
                let location = fetch_with("org/leaves", server.settings(home.path(), offline)).unwrap();
                let model = location.model.display().to_string();
                let teacher = config::Teacher { model, ..config::Teacher::default() };
                identify(&teacher).unwrap().fingerprint
            };
            assert_eq!(identity(false), expected);
            let asked = server.asked();
            assert_eq!(identity(false), expected);
            assert_eq!(server.asked(), asked + 1, "only the list of files is asked for again");
            assert_eq!(identity(true), expected);
            assert_eq!(server.asked(), asked + 1, "offline, nothing is asked for");
        }
    }

    #[test]
    fn what_the_hub_can_not_give_is_named() {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start(HashMap::from([("model.safetensors".to_owned(), b"w".to_vec())]));
        let message = |id: &str, offline: bool| {
            let error = fetch_with(id, server.settings(home.path(), offline)).unwrap_err().to_string();
            error.replace(&server.endpoint, "http://hub").replace(&home.path().display().to_string(), "HOME")
        };
        insta::assert_snapshot!(message("vit", false), @r#""vit" is not a model's id on the hub; expected hub:ORG/NAME, such as hub:onnx-community/vit-base-patch16-224"#);
        insta::assert_snapshot!(message("org/leaves", false), @"the model org/leaves on http://hub has no ONNX file, found model.safetensors; export it with `optimum-cli export onnx` and give its folder as teacher.model");
        insta::assert_snapshot!(message("org/leaves", true), @"HF_HUB_OFFLINE is set and HOME/hub/models--org--leaves holds no ONNX file of the model org/leaves; run once without it, or give the model's folder as teacher.model");
        let missing = message("org/roses", false);
        assert!(
            missing.contains("can't fetch the list of files of the model org/roses from http://hub"),
            "{missing}"
        );
    }
}
