//! Where the ONNX Runtime library is looked for.
//!
//! In this order: the file that `ORT_DYLIB_PATH` names, the wheel `onnxruntime` of the active virtual environment or of the active
//! conda environment, beside the program and in the environment that it is installed in, the project's folder `.onnxruntime` (above
//! the program, then above the working directory), and what the system's loader knows. Where `onnxruntime-gpu` is installed beside
//! `onnxruntime`, which share a folder, its library is taken.

use std::env;
use std::path::{Path, PathBuf};

use super::Error;
use super::library::{Found, Origin, examine};
use super::library_name::LIBRARY;

/// The variable that names a library, before every other place.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// A project's folder that a wheel is installed into, as by `pip install --target .onnxruntime onnxruntime`.
const PROJECT_FOLDER: &str = ".onnxruntime";

/// Where a wheel keeps its native libraries.
const WHEEL_FOLDER: &str = "onnxruntime/capi";

/// The places to look at, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The value of `ORT_DYLIB_PATH`, if it is set and not empty.
    pub variable: Option<PathBuf>,
    /// The value of `VIRTUAL_ENV`.
    pub virtual_environment: Option<PathBuf>,
    /// The value of `CONDA_PREFIX`.
    pub conda: Option<PathBuf>,
    /// The folder of the program.
    pub program: Option<PathBuf>,
    /// Folders that may be in a project: each of them and all above are looked at for a `.onnxruntime`.
    pub starts: Vec<PathBuf>,
    /// Whether the system's loader is asked.
    pub system: bool,
}

impl Search {
    /// The places of this process: its environment, its program's folder, its working directory, its system.
    pub fn of_this_process() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let program = env::current_exe().and_then(std::fs::canonicalize).ok();
        let program = program.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        Self {
            variable: variable(VARIABLE),
            virtual_environment: variable("VIRTUAL_ENV"),
            conda: variable("CONDA_PREFIX"),
            starts: program.clone().into_iter().chain(env::current_dir()).collect(),
            program,
            system: true,
        }
    }

    /// The first library there. A place that holds a bad one is an error and not passed over.
    ///
    /// # Errors
    /// None is there, or the first one does not load, is not ONNX Runtime or is too old.
    pub fn find(&self) -> Result<Found, Error> {
        if let Some(path) = &self.variable {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            return if path.exists() {
                examine(path, Origin::Variable)
            } else {
                Err(Error::NoSuchLibrary { path })
            };
        }
        if let Some((origin, path)) =
            self.files().into_iter().find_map(|(origin, _, file)| Some((origin, file?)))
        {
            return examine(path, origin);
        }
        let system = self.system.then(|| examine(PathBuf::from(LIBRARY), Origin::System));
        match system {
            // The system's loader says "no such file" for a name it does not know: that is "not found", not "bad".
            None | Some(Err(Error::BadLibrary { .. })) => {
                Err(Error::NoLibrary { looked: self.looked().join(", ") })
            }
            Some(result) => result,
        }
    }

    /// The places whose library is a file, each with its folder and what is there.
    fn files(&self) -> Vec<(Origin, &Path, Option<PathBuf>)> {
        let mut places = Vec::new();
        if let Some(prefix) = &self.virtual_environment {
            places.push((Origin::VirtualEnvironment, prefix.as_path(), in_environment(prefix)));
        }
        if let Some(prefix) = &self.conda {
            let found = in_environment(prefix)
                .or_else(|| in_folders(&[prefix.join("lib"), prefix.join("Library/bin")]));
            places.push((Origin::Conda, prefix, found));
        }
        if let Some(folder) = &self.program {
            let found = in_folder(folder).or_else(|| beside_packages(folder.parent()?));
            places.push((Origin::Program, folder, found));
        }
        for (index, start) in self.starts.iter().enumerate() {
            if !self.starts[..index].iter().any(|before| before.starts_with(start)) {
                places.push((Origin::Project, start, in_project(start)));
            }
        }
        places
    }

    /// The contents of each place, in words, in the order in which they are looked at.
    pub(crate) fn looked(&self) -> Vec<String> {
        let variable = match &self.variable {
            Some(path) => format!("{VARIABLE} names {}", path.display()),
            None => format!("{VARIABLE} is not set"),
        };
        let mut looked = vec![variable];
        let active = [("VIRTUAL_ENV", &self.virtual_environment), ("CONDA_PREFIX", &self.conda)];
        looked.extend(
            active
                .iter()
                .filter(|(_, prefix)| prefix.is_none())
                .map(|(name, _)| format!("{name} is not set")),
        );
        for (origin, folder, file) in self.files() {
            let folder = folder.display();
            let place = match origin {
                Origin::VirtualEnvironment => format!("the virtual environment {folder}"),
                Origin::Conda => format!("the conda environment {folder}"),
                Origin::Program => format!("decant's own folder {folder}"),
                _ => format!("a {PROJECT_FOLDER} folder in or above {folder}"),
            };
            looked.push(match file {
                Some(file) => format!("{place} holds {}", file.display()),
                None => format!("{place} holds none"),
            });
        }
        if self.system {
            let known = examine(PathBuf::from(LIBRARY), Origin::System).is_ok();
            looked.push(format!(
                "the system's loader {} {LIBRARY}",
                if known { "finds" } else { "does not find" }
            ));
        }
        looked
    }

    /// The folders of Python packages that may hold the CUDA wheels of `library`.
    pub(super) fn packages(&self, library: &Path) -> Vec<PathBuf> {
        let own = library.ancestors().nth(3).map(Path::to_path_buf);
        let program = self.program.as_deref().and_then(Path::parent);
        let environments =
            self.virtual_environment.as_deref().into_iter().chain(self.conda.as_deref()).chain(program);
        own.into_iter().chain(environments.flat_map(site_packages)).collect()
    }
}

/// The library of the wheel in a Python environment.
fn in_environment(prefix: &Path) -> Option<PathBuf> {
    site_packages(prefix).iter().find_map(|packages| in_packages(packages))
}

/// The library of the environment that the program is installed in; `pip install --target` puts packages beside its `bin`.
fn beside_packages(prefix: &Path) -> Option<PathBuf> {
    in_environment(prefix).or_else(|| in_packages(prefix))
}

/// The folders of Python packages of an environment, that of the newest Python first.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for lib in ["lib", "lib64"] {
        let entries = std::fs::read_dir(prefix.join(lib)).into_iter().flatten().flatten();
        let mut pythons: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
            // Debian's pip installs for the system into the latter.
            .flat_map(|entry| ["dist-packages", "site-packages"].map(|packages| entry.path().join(packages)))
            .collect();
        pythons.sort();
        folders.extend(pythons.into_iter().rev());
    }
    folders.push(prefix.join("Lib/site-packages"));
    folders.retain(|folder| folder.is_dir());
    folders
}

/// The library of the nearest `.onnxruntime` folder in or above `start`.
fn in_project(start: &Path) -> Option<PathBuf> {
    start.ancestors().find_map(|folder| in_packages(&folder.join(PROJECT_FOLDER)))
}

/// The library of the wheel in a folder of packages. `onnxruntime` and `onnxruntime-gpu` write into one folder, and decant-ml with its
/// extra `gpu` brings both: then it is the latter's.
fn in_packages(packages: &Path) -> Option<PathBuf> {
    let folder = packages.join(WHEEL_FOLDER);
    let all = libraries(&folder);
    let of_gpu = gpu_wheel(packages).and_then(|version| {
        let endings = [format!(".{version}"), format!(".{version}.dylib")];
        all.iter().find(|name| endings.iter().any(|ending| name.ends_with(ending)))
    });
    of_gpu.or(all.last()).map(|name| folder.join(name))
}

/// The version of `onnxruntime-gpu` in a folder of packages, if it is installed there.
fn gpu_wheel(packages: &Path) -> Option<String> {
    let entries = std::fs::read_dir(packages).ok()?.flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find_map(|name| Some(name.strip_prefix("onnxruntime_gpu-")?.strip_suffix(".dist-info")?.to_owned()))
}

/// Whether `library` stands in a wheel's folder that `onnxruntime-gpu` was installed into.
pub(super) fn is_of_gpu_wheel(library: &Path) -> bool {
    library.ancestors().nth(3).is_some_and(|packages| gpu_wheel(packages).is_some())
}

fn in_folders(folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().find_map(|folder| in_folder(folder))
}

fn in_folder(folder: &Path) -> Option<PathBuf> {
    libraries(folder).pop().map(|name| folder.join(name))
}

/// The names in a folder such as `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib` or `onnxruntime.dll`, in order.
fn libraries(folder: &Path) -> Vec<String> {
    let stem = LIBRARY.split('.').next();
    let extension = Path::new(LIBRARY).extension().and_then(|extension| extension.to_str());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.split('.').next() == stem && name.split('.').any(|part| Some(part) == extension))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> &'static str {
        match LIBRARY {
            "libonnxruntime.so" => "libonnxruntime.so.1.31.1",
            "libonnxruntime.dylib" => "libonnxruntime.1.31.1.dylib",
            other => other,
        }
    }

    fn wheel(packages: &Path) -> PathBuf {
        let folder = packages.join(WHEEL_FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(library());
        std::fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn a_wheels_library_is_told_from_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("target/debug");
        let wheel = folder.path().join(PROJECT_FOLDER).join(WHEEL_FOLDER);
        std::fs::create_dir_all(&start).unwrap();
        std::fs::create_dir_all(&wheel).unwrap();
        for name in
            ["__init__.py", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_shared.dylib"]
        {
            std::fs::write(wheel.join(name), "").unwrap();
        }
        assert_eq!(in_project(&start), None);
        std::fs::write(wheel.join(library()), "").unwrap();
        assert_eq!(in_project(&start), Some(wheel.join(library())));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn of_two_wheels_in_one_folder_it_is_the_one_for_gpus() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("lib/python3.12/site-packages");
        wheel(&packages);
        let newer = packages.join(WHEEL_FOLDER).join("libonnxruntime.so.1.32.0");
        std::fs::write(&newer, "").unwrap();
        assert_eq!(in_environment(folder.path()), Some(newer));
        std::fs::create_dir(packages.join("onnxruntime_gpu-1.31.1.dist-info")).unwrap();
        let found = in_environment(folder.path()).unwrap();
        assert!(
            found.ends_with("libonnxruntime.so.1.31.1") && is_of_gpu_wheel(&found),
            "{}",
            found.display()
        );
    }

    #[test]
    fn every_place_is_looked_at_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("conda/lib")).unwrap();
        std::fs::create_dir_all(at("env/bin")).unwrap();
        let search = Search {
            virtual_environment: Some(at("venv")),
            conda: Some(at("conda")),
            program: Some(at("env/bin")),
            starts: vec![at("project/target")],
            ..Search::default()
        };
        let first = || search.files().into_iter().find_map(|(origin, _, file)| Some((origin, file?)));
        assert_eq!(first(), None);
        let expected = wheel(&at("project/.onnxruntime"));
        assert_eq!(first(), Some((Origin::Project, expected)));
        let expected = wheel(&at("env/lib/python3.12/site-packages"));
        assert_eq!(first(), Some((Origin::Program, expected)));
        std::fs::write(at("env/bin").join(LIBRARY), "").unwrap();
        assert_eq!(first(), Some((Origin::Program, at("env/bin").join(LIBRARY))));
        std::fs::write(at("conda/lib").join(LIBRARY), "").unwrap();
        assert_eq!(first(), Some((Origin::Conda, at("conda/lib").join(LIBRARY))));
        let expected = wheel(&at("conda/lib/python3.11/site-packages"));
        assert_eq!(first(), Some((Origin::Conda, expected)));
        let expected = wheel(&at("venv/lib/python3.11/site-packages"));
        assert_eq!(first(), Some((Origin::VirtualEnvironment, expected)));
        let looked = search.looked().join("\n");
        for part in [
            "ORT_DYLIB_PATH is not set",
            "the virtual environment",
            "the conda environment",
            "a .onnxruntime folder",
        ] {
            assert!(looked.contains(part), "{looked}");
        }
    }
}
