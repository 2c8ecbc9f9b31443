//! A trained classifier as `predict` and `evaluate` take it: a run's student, a Hugging Face folder or an ONNX file.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};

use super::Failure;
use super::output::errln;
use crate::config;
use crate::runs::{self, FinishedRun};
use crate::student::{Student, hf, onnx};
use crate::support::files::may_be_there;
use crate::teacher::{OnnxTeacher, Teacher};
use crate::train::{self, RUN_FILE};
use crate::view::Preprocess;

/// Which classifier a command works with.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ModelArgs {
    /// A run, by its folder, its name, the beginning of either, or latest
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// A run's folder, a Hugging Face folder, or an ONNX file
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
}

impl ModelArgs {
    /// Opens what was named.
    pub(crate) fn open(&self, runs: &RunsDir, device: config::StudentDevice) -> Result<Model, Failure> {
        match (&self.run, &self.model) {
            (Some(run), _) => Model::open(&runs.find(run)?, device),
            (None, Some(model)) => Model::open(model, device),
            (None, None) => Err(Failure::usage("name a run with --run or a model with --model")),
        }
    }
}

/// The folder in which runs are looked for by their names.
#[derive(clap::Args)]
pub(crate) struct RunsDir {
    /// The folder that holds runs [default: runs]
    #[arg(long, value_name = "DIR", env = "DECANT_RUNS")]
    runs_dir: Option<PathBuf>,
}

impl RunsDir {
    /// The folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.runs_dir.clone().unwrap_or_else(|| config::Train::default().dir)
    }

    /// Whether it was named.
    pub(crate) fn given(&self) -> bool {
        self.runs_dir.is_some()
    }

    /// The folder of a run that was named.
    ///
    /// # Errors
    /// No run of that name, or several.
    pub(crate) fn find(&self, named: &Path) -> Result<PathBuf, Failure> {
        let found = runs::find(named, &self.path())?;
        if is_run(&found) { Ok(found) } else { Err(train::Error::NoRun { path: found }.into()) }
    }
}

/// Whether a folder is a run's, which knows its dataset.
pub(crate) fn is_run(path: &Path) -> bool {
    may_be_there(&path.join(RUN_FILE))
}

/// A classifier that is ready.
pub(crate) struct Model {
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// How an image becomes its input.
    pub preprocess: Preprocess,
    /// The name and the runtime, for people.
    pub description: String,
    network: Network,
}

enum Network {
    Student(Box<Student>, Device),
    Onnx(Box<OnnxTeacher>),
}

impl Model {
    /// Opens a run's folder, a Hugging Face folder, an ONNX file or the folder of one.
    pub(crate) fn open(path: &Path, device: config::StudentDevice) -> Result<Self, Failure> {
        if !may_be_there(path) {
            return Err(Failure::usage(format!("there is no {}", path.display())));
        }
        let extension = path.extension().unwrap_or_default();
        if is_run(path) {
            Self::student(&FinishedRun::open(path)?.best(), device)
        } else if may_be_there(&path.join(hf::WEIGHTS)) {
            Self::student(path, device)
        } else if path.is_file() && extension == "safetensors" {
            Self::student(path.parent().unwrap_or(Path::new("")), device)
        } else if path.is_file() && extension == "onnx" || path.join(onnx::FILE).is_file() {
            Self::onnx(path, device)
        } else {
            Err(Failure::usage(format!(
                "{} is not a model: expected a run's folder (run.json), a Hugging Face folder ({}) or an ONNX file",
                path.display(),
                hf::WEIGHTS
            )))
        }
    }

    fn student(folder: &Path, device: config::StudentDevice) -> Result<Self, Failure> {
        let chosen = train::choose_device(device)?;
        let hf::Opened { model, classes } =
            hf::open_folder(folder, &chosen.device).map_err(train::Error::from)?;
        let preprocess =
            Preprocess::from_file(&folder.join("preprocessor_config.json")).map_err(Failure::usage)?;
        let description = format!("{}, burn on {}", folder.display(), chosen.name);
        Ok(Self {
            classes,
            preprocess,
            description,
            network: Network::Student(Box::new(model), chosen.device),
        })
    }

    fn onnx(path: &Path, device: config::StudentDevice) -> Result<Self, Failure> {
        let device = config::TeacherDevice::try_from(device).map_err(Failure::usage)?;
        let teacher = config::Teacher {
            model: path.display().to_string(),
            device: device.into(),
            ..config::Teacher::default()
        };
        let model = OnnxTeacher::open(&teacher)?;
        let about = model.describe();
        for note in &about.notes {
            errln!("note: {note}");
        }
        Ok(Self {
            classes: model.classes().to_vec(),
            preprocess: model.preprocess().clone(),
            description: format!("{}, {} on {}", about.model, about.runtime, about.device),
            network: Network::Onnx(Box::new(model)),
        })
    }

    /// Values of one preprocessed image: `3 * height * width`.
    pub(crate) fn values(&self) -> usize {
        let (height, width) = self.preprocess.size();
        3 * height as usize * width as usize
    }

    /// Logits `[batch, classes]` of preprocessed pixels `[batch, 3, height, width]`.
    pub(crate) fn logits(&mut self, pixels: Vec<f32>, batch: usize) -> Result<Vec<f32>, Failure> {
        let (height, width) = self.preprocess.size();
        match &mut self.network {
            Network::Onnx(model) => Ok(model.logits(&pixels, batch)?),
            Network::Student(model, device) => {
                let pixels = TensorData::new(pixels, [batch, 3, height as usize, width as usize]);
                let logits = model.forward(Tensor::from_data(pixels, &*device)).into_data();
                Ok(logits.try_to_vec().expect("logits are float32"))
            }
        }
    }
}
