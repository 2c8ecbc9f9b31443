//! A model whose files were read once, and from which sessions are opened.

use super::files::Files;
use super::identity::Identity;
use super::session::SessionOpener;
use super::{Error, OnnxTeacher, Teacher, Tuning, runtime};
use crate::config;

/// The files of a teacher, read, hashed and checked.
pub struct OnnxModel {
    files: Files,
    config: config::Teacher,
}

impl OnnxModel {
    /// Reads what a pipeline's `[teacher]` names; the ONNX Runtime library is not needed yet.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn read(teacher: &config::Teacher) -> Result<Self, Error> {
        Ok(Self { files: Files::read(teacher)?, config: teacher.clone() })
    }

    /// The identity that decides its logits.
    pub fn identity(&self) -> Identity {
        Identity::of(&self.files)
    }

    /// Opens the model on every device that `[teacher]` names, in as many sessions on each as `tuning` says: teachers that
    /// may work side by side, each on a thread of its own, where any of them may take any batch. There is one at least.
    ///
    /// # Errors
    /// A model that is not an image classifier, no ONNX Runtime library, a device that can't be had: only `auto` falls back to
    /// the CPU, and [`Teacher::describe`] then says so.
    pub fn open(&self, tuning: Tuning) -> Result<Vec<OnnxTeacher>, Error> {
        let opener = self.opener(tuning)?;
        opener.all()?.into_iter().map(|opened| OnnxTeacher::of(&opener, opened)).collect()
    }

    /// [`OnnxModel::open`], as teachers behind their trait.
    ///
    /// # Errors
    /// As [`OnnxModel::open`].
    pub(crate) fn open_team(&self, tuning: Tuning) -> Result<Vec<Box<dyn Teacher>>, Error> {
        Ok(self.open(tuning)?.into_iter().map(|session| Box::new(session) as Box<dyn Teacher>).collect())
    }

    pub(super) fn opener(&self, tuning: Tuning) -> Result<SessionOpener<'_>, Error> {
        Ok(SessionOpener { runtime: runtime::load()?, files: &self.files, config: &self.config, tuning })
    }
}

impl OnnxTeacher {
    /// Opens the model that a pipeline's `[teacher]` names, on the first device that it names, in one session.
    ///
    /// # Errors
    /// Files that are missing or damaged, a model that is not an image classifier, no ONNX Runtime library, a device
    /// that can't be had: only `auto` falls back to the CPU, and [`Teacher::describe`] then says so.
    pub fn open(teacher: &config::Teacher) -> Result<Self, Error> {
        let tuning = Tuning { sessions: 1, ..Tuning::from(teacher) };
        let model = OnnxModel::read(teacher)?;
        let opener = model.opener(tuning)?;
        Self::of(&opener, opener.on(teacher.device.first())?)
    }
}
