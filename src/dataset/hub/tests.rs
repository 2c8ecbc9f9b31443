//! The hub's routes, served from a thread.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::dataset::{Dataset, SplitName};
use crate::support::context::Context;

/// A parquet file that `datasets` wrote: three PNG images a split.
const TRAIN: &[u8] = include_bytes!("../../../tests/goldens/parquet/data/train-00000-of-00001.parquet");
const TEST: &[u8] = include_bytes!("../../../tests/goldens/parquet/data/test-00000-of-00001.parquet");
const COMMIT: &str = "5c6e2a0f";

/// A server of one dataset, `org/leaves`: for each revision the files in it.
struct Server {
    endpoint: String,
    /// Each request's path and its `Authorization`.
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

type Revisions = HashMap<&'static str, Vec<(&'static str, &'static [u8])>>;

impl Server {
    fn start(revisions: Revisions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = serve(stream.unwrap(), &revisions, &seen);
            }
        });
        Self { endpoint, requests }
    }

    fn settings(&self, home: &Path, offline: bool) -> Settings {
        let (endpoint, token) = (self.endpoint.clone(), Some("hf_secret".to_owned()));
        Settings { endpoint, cache: home.join("hub"), token, offline }
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn serve(
    mut stream: TcpStream,
    revisions: &Revisions,
    seen: &Mutex<Vec<(String, String)>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let path = lines.next().unwrap()?.split(' ').nth(1).unwrap().to_owned();
    let mut headers = HashMap::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    seen.lock().unwrap().push((path.clone(), headers.get("authorization").cloned().unwrap_or_default()));
    let decoded = path.replace("%2F", "/");
    if let Some(revision) = decoded.strip_prefix("/api/datasets/org/leaves/revision/")
        && let Some(files) = revisions.get(revision)
    {
        let siblings: Vec<_> = files.iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
        let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        return answer(&mut stream, "200 OK", "content-type: application/json\r\n", body.as_bytes());
    }
    let file = decoded.strip_prefix("/datasets/org/leaves/resolve/").and_then(|rest| {
        let in_revision = |(revision, files): (&&str, &Vec<(&str, &'static [u8])>)| {
            let name = rest.strip_prefix(*revision)?.strip_prefix('/')?;
            files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
        };
        revisions.iter().find_map(in_revision)
    });
    let Some(bytes) = file else { return answer(&mut stream, "404 Not Found", "", b"no such entry") };
    // hf-hub asks for one byte to learn the size, then for the rest from where it stands.
    let range = headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
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
    write!(
        stream,
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

fn open(server: &Server, id: &str, home: &Path, offline: bool) -> Result<Dataset, Error> {
    open_config(server, id, home, offline, &config::Dataset::default())
}

fn open_config(
    server: &Server,
    id: &str,
    home: &Path,
    offline: bool,
    config: &config::Dataset,
) -> Result<Dataset, Error> {
    open_with(id, server.settings(home, offline), config, &Context::silent()).map(Dataset::of)
}

fn data() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("README.md", b"# leaves".as_slice()),
        ("data/train-00000-of-00001.parquet", TRAIN),
        ("data/test-00000-of-00001.parquet", TEST),
    ]
}

#[test]
fn a_dataset_is_fetched_once_and_read_offline_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([("main", data())]));
    let dataset = open(&server, "org/leaves", home.path(), false).unwrap();
    assert_eq!(dataset.name, "org/leaves");
    assert_eq!(dataset.classes, ["angular_leaf_spot", "bean_rust", "healthy"]);
    assert_eq!(dataset.split(SplitName::Train).unwrap().samples.len(), 6);
    assert!(dataset.read(SplitName::Test, 0).unwrap().starts_with(b"\x89PNG"));
    assert!(server.requests.lock().unwrap().iter().all(|(_, token)| token == "Bearer hf_secret"));

    let asked = server.asked();
    let again = open(&server, "org/leaves", home.path(), false).unwrap();
    assert_eq!(again.fingerprint(), dataset.fingerprint());
    assert_eq!(server.asked(), asked + 1, "only the list of files is asked for again");
    let offline = open(&server, "org/leaves", home.path(), true).unwrap();
    assert_eq!(offline.fingerprint(), dataset.fingerprint());
    assert_eq!(server.asked(), asked + 1, "offline, nothing is asked for");
}

#[test]
fn a_dataset_without_parquet_is_read_from_the_converted_revision() {
    let home = tempfile::tempdir().unwrap();
    let converted = vec![("default/train/0000.parquet", TRAIN), ("default/test/0000.parquet", TEST)];
    let main = vec![("leaves.zip", b"PK".as_slice())];
    let server = Server::start(HashMap::from([("main", main), ("refs/convert/parquet", converted)]));
    let dataset = open(&server, "org/leaves", home.path(), false).unwrap();
    assert_eq!(dataset.split(SplitName::Train).unwrap().samples.len(), 6);
    let offline = open(&server, "org/leaves", home.path(), true).unwrap();
    assert_eq!(offline.fingerprint(), dataset.fingerprint());
}

#[test]
fn what_the_hub_cannot_give_is_named() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([("main", vec![("leaves.zip", b"PK".as_slice())])]));
    let message = |id: &str, offline: bool| {
        let error = open(&server, id, home.path(), offline).unwrap_err().to_string();
        error.replace(&server.endpoint, "http://hub").replace(&home.path().display().to_string(), "HOME")
    };
    insta::assert_snapshot!(message("beans", false), @r#""beans" is not the id of a dataset on the hub; expected hub:ORG/NAME, such as hub:AI-Lab-Makerere/beans"#);
    insta::assert_snapshot!(message("../x", false), @r#""../x" is not the id of a dataset on the hub; expected hub:ORG/NAME, such as hub:AI-Lab-Makerere/beans"#);
    insta::assert_snapshot!(message("org/roses", false), @"can't fetch the list of files of the dataset org/roses from http://hub (request error: http status: 404); check its name, the network and, for a private dataset, HF_TOKEN, or download it and give its folder as dataset.source");
    insta::assert_snapshot!(message("org/leaves", false), @"the dataset org/leaves on http://hub has no parquet file in main or refs/convert/parquet, found leaves.zip; download it and give its folder as dataset.source");
    insta::assert_snapshot!(message("org/leaves", true), @"HF_HUB_OFFLINE is set and HOME/hub/datasets--org--leaves holds no parquet file of the dataset org/leaves; run once without it, or download the dataset and give its folder as dataset.source");
}

#[test]
fn a_file_name_that_leaves_the_folder_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(HashMap::from([("main", vec![("../../train.parquet", TRAIN)])]));
    let error = open(&server, "org/leaves", home.path(), false).unwrap_err().to_string();
    assert!(
        error.contains("../../train.parquet") && error.contains("leaves the dataset's folder"),
        "{error}"
    );
}

#[test]
fn a_revision_and_a_configuration_are_chosen_and_nothing_else_is_fetched() {
    let home = tempfile::tempdir().unwrap();
    let configured = vec![
        ("large/train-00000-of-00001.parquet", b"never read".as_slice()),
        ("small/test-00000-of-00001.parquet", TEST),
        ("small/train-00000-of-00001.parquet", TRAIN),
    ];
    let server = Server::start(HashMap::from([("main", data()), ("v2", configured)]));
    let config = |config: Option<&str>, revision: &str| config::Dataset {
        config: config.map(str::to_owned),
        revision: Some(revision.to_owned()),
        ..config::Dataset::default()
    };
    let open =
        |config: &config::Dataset, offline| open_config(&server, "org/leaves", home.path(), offline, config);
    let small = config(Some("small"), "v2");
    let dataset = open(&small, false).unwrap();
    assert_eq!(dataset.split(SplitName::Train).unwrap().samples.len(), 6);
    assert!(!server.requests.lock().unwrap().iter().any(|(path, _)| path.contains("large")));
    assert_eq!(open(&small, true).unwrap().fingerprint(), dataset.fingerprint());
    let message = |config: &config::Dataset| {
        let error = open(config, false).unwrap_err().to_string();
        error.replace(&server.endpoint, "http://hub")
    };
    insta::assert_snapshot!(message(&config(None, "v2")), @"the dataset org/leaves holds several configurations (large, small); choose one with dataset.config");
    insta::assert_snapshot!(message(&config(Some("tiny"), "v2")), @r#"the dataset org/leaves has no configuration "tiny", as dataset.config asks for; found large, small"#);
    insta::assert_snapshot!(message(&config(None, "../v2")), @r#"dataset.revision = "../v2" is not a revision; expected a branch, a tag or a commit, such as main"#);
}
