//! From a file's text and `--set` overrides to a checked [`Pipeline`], with errors that name the line.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Error, Pipeline, shipped};

/// Reads the pipeline file at `path` and applies `overrides`, each a `KEY=VALUE` with a dotted key.
///
/// # Errors
/// A file that can't be read, text that is no TOML, an unknown key, a value of the wrong type or out of range.
pub fn load(path: &Path, overrides: &[String]) -> Result<Pipeline, Error> {
    Source::read(path, overrides)?.pipeline()
}

/// As [`load`], from the `text` of the file at `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Pipeline, Error> {
    Source::new(path, text.to_owned(), overrides)?.pipeline()
}

/// A pipeline file's text with its overrides, from which the pipeline and variants of it are made.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    overrides: Vec<String>,
    table: toml::Table,
}

/// A dotted key and its value, with the place that it came from: file and line.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Such as `train.lr`.
    pub key: String,
    /// Its value.
    pub value: toml::Value,
    /// Such as `beans.toml:12`.
    pub place: String,
}

impl Source {
    /// Reads the file at `path`, or one that comes with the program where there is no such file; `overrides` are `KEY=VALUE` with a dotted key.
    ///
    /// # Errors
    /// A file that can't be read, text that is no TOML, an unknown key, a value of the wrong type.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let text = match (fs::read_to_string(path), shipped::find(path)) {
            (Ok(text), _) => text,
            (Err(error), Some(text)) if error.kind() == ErrorKind::NotFound => text.to_owned(),
            (Err(source), _) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        Self::new(path, text, overrides)
    }

    fn new(path: &Path, text: String, overrides: &[String]) -> Result<Self, Error> {
        toml::from_str::<Pipeline>(&text).map_err(|error| in_file(path, &text, &error))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| in_file(path, &text, &error))?;
        for text in overrides {
            let (key, value) = key_value(text)?;
            insert(&mut table, key, value).ok_or_else(|| Error::Set { text: text.clone() })?;
            Pipeline::deserialize_from(table.clone()).map_err(|error| in_override(text, key, &error))?;
        }
        Ok(Self { path: path.to_owned(), text, overrides: overrides.to_vec(), table })
    }

    /// The checked pipeline.
    ///
    /// # Errors
    /// A value out of range.
    pub fn pipeline(&self) -> Result<Pipeline, Error> {
        let pipeline = Pipeline::deserialize_from(self.table.clone()).expect("it was read before");
        self.checked(pipeline, &[])
    }

    /// The pipeline without its `[sweep]` and with other values, checked like the file's own. A temperature that
    /// `cache.temperatures` does not list is added to it: whether a cache holds it is known later.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type or out of range, each with its place.
    pub fn variant(&self, values: &[Assignment]) -> Result<Pipeline, Error> {
        let mut table = self.table.clone();
        table.remove("sweep");
        let mut pipeline = Pipeline::deserialize_from(table.clone()).expect("it was read before");
        for Assignment { key, value, place } in values {
            let unknown =
                || Error::Syntax { place: place.clone(), message: format!("{key} is no key of a value") };
            insert(&mut table, key, value.clone()).ok_or_else(unknown)?;
            pipeline = Pipeline::deserialize_from(table.clone()).map_err(|error| {
                let key = key.rsplit('.').next().unwrap_or(key);
                let unknown = error.message().starts_with("unknown field");
                let found = if unknown { key.to_owned() } else { value.to_string() };
                explain(place.clone(), &found, error.message())
            })?;
        }
        let read = pipeline.train.cached_temperature();
        if let Some(temperature) = read.filter(|read| !pipeline.cache.temperatures.contains(read)) {
            pipeline.cache.temperatures.push(temperature);
            if let Err(mut error) = self.checked(pipeline.clone(), values) {
                if let Error::OutOfRange { key, place, .. } = &mut error
                    && *key == "cache.temperatures"
                {
                    *key = "train.temperature";
                    *place = self.blame(key, values);
                }
                return Err(error);
            }
        }
        self.checked(pipeline, values)
    }

    /// Where `key` was given: the `--set`, else its line in the file, else the file.
    pub fn place(&self, key: &str) -> String {
        place_of(&self.path, &self.text, &self.overrides, key)
    }

    fn blame(&self, key: &str, values: &[Assignment]) -> String {
        let given = values.iter().rev().find(|given| given.key == key);
        given.map_or_else(|| self.place(key), |given| given.place.clone())
    }

    /// Names the pipeline after its file and checks the ranges.
    fn checked(&self, mut pipeline: Pipeline, values: &[Assignment]) -> Result<Pipeline, Error> {
        if pipeline.name.is_empty() {
            let stem = self.path.file_stem();
            pipeline.name = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        }
        if pipeline.cache.name.is_empty() {
            pipeline.cache.name.clone_from(&pipeline.name);
        }
        pipeline.student.settle();
        pipeline.check().map_err(|invalid| Error::OutOfRange {
            place: self.blame(invalid.key, values),
            key: invalid.key,
            value: invalid.value,
            rule: invalid.rule,
        })?;
        Ok(pipeline)
    }
}

impl Pipeline {
    fn deserialize_from(table: toml::Table) -> Result<Self, toml::de::Error> {
        toml::Value::Table(table).try_into()
    }
}

/// `train.lr=3e-4` as a key and a TOML value; what is no TOML value is taken as a string.
fn key_value(text: &str) -> Result<(&str, toml::Value), Error> {
    let (key, value) = text.split_once('=').ok_or_else(|| Error::Set { text: text.to_owned() })?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() {
        return Err(Error::Set { text: text.to_owned() });
    }
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| {
        toml::Value::String(text.split_once('=').map_or("", |(_, value)| value.trim()).to_owned())
    });
    Ok((key, value))
}

/// Puts `value` at a dotted key, making tables on the way; nothing where a part of the key is no table.
fn insert(table: &mut toml::Table, key: &str, value: toml::Value) -> Option<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Some(())
        }
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            insert(section.as_table_mut()?, rest, value)
        }
    }
}

fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let span = error.span().unwrap_or(0..0);
    let place = format!("{}:{}", path.display(), line_of(text, span.start));
    let found = text.get(span).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    explain(place, &found, error.message())
}

fn in_override(text: &str, key: &str, error: &toml::de::Error) -> Error {
    let key = key.rsplit('.').next().unwrap_or(key);
    let value = text.split_once('=').map_or("", |(_, value)| value.trim());
    let found = if error.message().starts_with("unknown field") { key } else { value };
    explain(format!("--set {text}"), found, error.message())
}

/// Tells an unknown key or name, with the nearest valid one, from every other complaint of the parser.
fn explain(place: String, found: &str, message: &str) -> Error {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (unknown_key, unknown_name) =
        (message.starts_with("unknown field"), message.starts_with("unknown variant"));
    if let (true, Some(name)) = (unknown_key || unknown_name, quoted.next()) {
        if unknown_key && matches!(name, "mixup" | "cutmix") {
            return Error::Mixed { place, key: name.to_owned() };
        }
        let valid: Vec<&str> = quoted.collect();
        let name = name.to_owned();
        return if unknown_key {
            Error::UnknownKey { place, hint: hint(&name, &valid, "keys there"), key: name }
        } else {
            Error::UnknownName { place, hint: hint(&name, &valid, "names"), name }
        };
    }
    let message = message.lines().next().unwrap_or_default().trim_end_matches([',', '.']);
    let told = found.is_empty() || message.contains(found);
    let message = if told { message.to_owned() } else { format!("{message}, found {found:?}") };
    Error::Syntax { place, message }
}

/// The nearest of the valid names, or all of them, which are `called` so.
fn hint(key: &str, valid: &[&str], called: &str) -> String {
    let nearest = valid.iter().map(|candidate| (edit_distance(key, candidate), *candidate)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + key.chars().count() / 3 => {
            format!("did you mean {nearest:?}?")
        }
        _ => format!("the {called} are {}", valid.join(", ")),
    }
}

/// Levenshtein's distance between two short names.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// The `--set` that gave `key`, else its line in the file, else the file.
fn place_of(path: &Path, text: &str, overrides: &[String], key: &str) -> String {
    let given =
        overrides.iter().rev().find(|given| given.split('=').next().is_some_and(|name| name.trim() == key));
    if let Some(given) = given {
        return format!("--set {given}");
    }
    match offset_of(text, key) {
        Some(offset) => format!("{}:{}", path.display(), line_of(text, offset)),
        None => path.display().to_string(),
    }
}

fn offset_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref().clone();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        let start = name.span().start;
        if parts.peek().is_none() {
            return Some(start);
        }
        let DeValue::Table(inner) = value.get_ref() else { return None };
        table = inner.clone();
    }
    None
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, overrides: &[&str]) -> Result<Pipeline, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beans.toml");
        fs::write(&path, text).unwrap();
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let shown = folder.path().display().to_string();
        load(&path, &overrides).map_err(|error| error.to_string().replace(&shown, "DIR"))
    }

    #[test]
    fn an_empty_file_is_the_defaults_under_the_files_name() {
        let pipeline = load_text("", &[]).unwrap();
        assert_eq!(pipeline.name, "beans");
        assert_eq!(pipeline.cache.name, "beans");
        assert_eq!(pipeline.train, crate::config::Train::default());
    }

    #[test]
    fn a_set_comes_before_the_file() {
        let pipeline = load_text("[train]\nlr = 0.1\n", &["train.lr=3e-4", "teacher.device=cpu"]).unwrap();
        assert!((pipeline.train.lr - 3e-4).abs() < 1e-12);
        assert_eq!(pipeline.teacher.device, crate::config::TeacherDevice::CPU.into());
    }

    #[test]
    fn mixed_images_are_refused_with_the_reason() {
        insta::assert_snapshot!(
            load_text("[train]\nmixup = 0.2\n", &[]).unwrap_err(),
            @"DIR/beans.toml:2: mixup is refused, since the teacher's cached targets are of whole images and it never saw the mixed ones; cache.views gives crops and flips that it did see"
        );
        assert!(load_text("", &["train.cutmix=1.0"]).unwrap_err().contains("cutmix"));
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_one() {
        insta::assert_snapshot!(
            load_text("[cache]\n\ntempratures = [1.0]\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:3: unknown key "tempratures"; did you mean "temperatures"?"#
        );
        insta::assert_snapshot!(
            load_text("", &["teacher.learning-rate=1"]).unwrap_err(),
            @r#"--set teacher.learning-rate=1: unknown key "learning-rate"; the keys there are model, classes, match-classes, mean, std, image-size, resample, crop-pct, checkpoint, device, batch-size, threads, sessions, gpu"#
        );
    }

    #[test]
    fn an_unknown_name_says_the_nearest_one() {
        insta::assert_snapshot!(
            load_text("[train]\nloss = \"dkdd\"\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:2: unknown name "dkdd"; did you mean "dkd"?"#
        );
        insta::assert_snapshot!(
            load_text("", &["train.loss=contrastive"]).unwrap_err(),
            @r#"--set train.loss=contrastive: unknown name "contrastive"; the names are kd, std-kd, dkd, dist, mse, ce"#
        );
        insta::assert_snapshot!(
            load_text("", &["train.dkd.gamma=2"]).unwrap_err(),
            @r#"--set train.dkd.gamma=2: unknown key "gamma"; the keys there are alpha, beta"#
        );
    }

    #[test]
    fn a_loss_that_the_cache_cannot_serve_is_refused() {
        insta::assert_snapshot!(
            load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n[train]\nloss = \"dist\"\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:5: train.loss = dist is out of range, it must be kd or ce with cache.encoding = "top-k", since the others compare every class with every other"#
        );
        insta::assert_snapshot!(
            load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n", &["train.temperature-end=1"]).unwrap_err(),
            @r#"--set train.temperature-end=1: train.temperature-end = 1 is out of range, it must be left out with cache.encoding = "top-k", which knows the mass of the rest at cache.temperatures alone"#
        );
        insta::assert_snapshot!(
            load_text("[train]\ncontrol = \"permuted-targets\"\n", &["train.lambda=0"]).unwrap_err(),
            @r#"DIR/beans.toml:2: train.control = permuted-targets is out of range, it must be left out where no targets are read, with train.lambda = 0 or train.loss = "ce""#
        );
        insta::assert_snapshot!(load_text("", &["train.label-smoothing=1"]).unwrap_err(), @"--set train.label-smoothing=1: train.label-smoothing = 1 is out of range, it must be from 0 to below 1");
        insta::assert_snapshot!(load_text("", &["train.dist.gamma=-1"]).unwrap_err(), @"--set train.dist.gamma=-1: train.dist.gamma = -1 is out of range, it must be 0 to 1000");
        insta::assert_snapshot!(load_text("", &["train.lambda-end=2"]).unwrap_err(), @"--set train.lambda-end=2: train.lambda-end = 2 is out of range, it must be 0 to 1");
    }

    #[test]
    fn a_loss_that_reads_logits_needs_no_temperature_of_the_cache() {
        for sets in [
            &["train.temperature=4", "train.loss=dkd"][..],
            &["train.temperature=4", "train.loss=ce"],
            &["train.temperature=4", "train.temperature-end=1"],
            &["train.temperature=4", "train.control=labels-only"],
        ] {
            assert!(load_text("", sets).is_ok(), "{sets:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_line() {
        insta::assert_snapshot!(
            load_text("[train]\nepochs = \"many\"\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:2: invalid type: string "many", expected usize"#
        );
        insta::assert_snapshot!(
            load_text("[train\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:1: unclosed table, expected `]`"#
        );
        insta::assert_snapshot!(
            load_text("", &["train.device=gpu"]).unwrap_err(),
            @r#"--set train.device=gpu: unknown device "gpu" for a student, expected auto, cpu or cuda:N"#
        );
    }

    #[test]
    fn a_value_out_of_range_names_its_line_and_the_range() {
        insta::assert_snapshot!(
            load_text("[train]\nlambda = 1.5\n", &[]).unwrap_err(),
            @"DIR/beans.toml:2: train.lambda = 1.5 is out of range, it must be 0 to 1"
        );
        insta::assert_snapshot!(
            load_text("[cache]\nencoding = \"top-k\"\ntop-k = 2\n[train]\ntemperature = 4\n", &[]).unwrap_err(),
            @"DIR/beans.toml:5: train.temperature = 4 is out of range, it must be one of cache.temperatures = [1, 2, 5, 10], the nearest is 5"
        );
        insta::assert_snapshot!(
            load_text("", &["train.epochs=0"]).unwrap_err(),
            @"--set train.epochs=0: train.epochs = 0 is out of range, it must be 1 to 100000"
        );
    }

    #[test]
    fn what_the_teachers_device_would_not_heed_is_refused() {
        insta::assert_snapshot!(
            load_text("[teacher]\ndevice = \"cpu\"\ngpu.graph = true\n", &[]).unwrap_err(),
            @r#"DIR/beans.toml:3: teacher.gpu.graph = true is out of range, it must be false with teacher.device = "cpu", since only cuda:N and tensorrt:N record CUDA graphs"#
        );
        insta::assert_snapshot!(
            load_text("[teacher]\ndevice = \"cpu\"\n", &["teacher.gpu.tensorrt-fp16=true"]).unwrap_err(),
            @r#"--set teacher.gpu.tensorrt-fp16=true: teacher.gpu.tensorrt-fp16 = true is out of range, it must be false with teacher.device = "cpu", since only tensorrt:N can change a model's precision"#
        );
        insta::assert_snapshot!(
            load_text("[teacher]\ndevice = \"tensorrt:0\"\n", &["teacher.gpu.tf32=true"]).unwrap_err(),
            @r#"--set teacher.gpu.tf32=true: teacher.gpu.tf32 = true is out of range, it must be false with teacher.device = "tensorrt:0", since only cuda:N rounds to TensorFloat-32 on demand"#
        );
        insta::assert_snapshot!(
            load_text("", &["teacher.device=cuda:0,0"]).unwrap_err(),
            @r#"--set teacher.device=cuda:0,0: cuda:0 occurs twice, expected each device once, found "cuda:0,0""#
        );
    }

    #[test]
    fn a_bare_model_is_described_in_the_file() {
        use crate::config::{ImageSize, Resample};

        let text = "[teacher]\nmodel = \"m.onnx\"\nclasses = [\"a\", \"b\"]\nmean = [0, 0.5, 0.5]\nstd = [1, 0.5, 0.5]\n\
                    resample = \"bicubic\"\nimage-size = [224, 192]\n";
        let teacher = load_text(text, &[]).unwrap().teacher;
        assert_eq!(teacher.mean, Some([0.0, 0.5, 0.5]));
        assert_eq!(teacher.resample, Some(Resample::Bicubic));
        assert_eq!(teacher.image_size, Some(ImageSize::Rectangle([224, 192])));
        let square = load_text(text, &["teacher.image-size=224", "teacher.crop-pct=0.9"]).unwrap().teacher;
        assert_eq!((square.image_size, square.crop_pct), (Some(ImageSize::Square(224)), Some(0.9)));
        for (sets, reason) in [
            (&["teacher.crop-pct=0.9"][..], "a square with teacher.crop-pct"),
            (&["teacher.model=embedded:leaves"], "left out with an embedded teacher"),
            (&["teacher.std=[0, 1, 1]"], "three numbers above 0"),
            (&["teacher.image-size=0"], "1 to 4096 pixels a side"),
            (&["teacher.image-size=big"], "expected a number of pixels, or [height, width]"),
            (&["teacher.classes=[]"], "at least one name"),
        ] {
            let message = load_text(text, sets).unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        let alone = load_text("[teacher]\nmodel = \"m.onnx\"\nmean = [0.5, 0.5, 0.5]\n", &[]).unwrap_err();
        assert!(
            alone.contains("teacher.std") && alone.contains("none of them is taken from a file"),
            "{alone}"
        );
    }

    #[test]
    fn several_gpus_record_graphs_as_one_does() {
        for device in ["teacher.device=cuda:0,1", "teacher.device=[\"tensorrt:0\", \"tensorrt:2\"]"] {
            let pipeline = load_text("", &[device, "teacher.gpu.graph=true"]).unwrap();
            assert_eq!(pipeline.teacher.device.as_slice().len(), 2);
        }
    }

    #[test]
    fn a_missing_file_and_a_bare_set_say_what_to_give() {
        assert!(load(Path::new("no.toml"), &[]).unwrap_err().to_string().contains("--pipeline"));
        assert!(load_text("", &["train.lr"]).unwrap_err().contains("KEY=VALUE"));
    }

    #[test]
    fn every_shipped_pipeline_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let pipelines: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
        assert!(!pipelines.is_empty());
        for path in pipelines {
            load(&path, &[]).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
