//! NVIDIA's `libdevice.10.bc`, without which no kernel with an exponential compiles: where it is, and that burn finds it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The file below a CUDA root.
const FILE: &str = "nvvm/libdevice/libdevice.10.bc";

/// The roots that burn's compiler looks at itself, after `CUDA_PATH`.
const ROOTS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];

/// Where it was looked for, in words.
const LOOKED: &str = "looked below CUDA_PATH, /usr/local/cuda, /opt/cuda, /usr/lib/cuda, /usr and the wheels of the active environment";

/// The CUDA root that has the file, with burn's compiler told of it.
///
/// # Errors
/// The missing thing, with what to do.
pub(crate) fn provide() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(find_and_tell).clone()
}

fn find_and_tell() -> Result<PathBuf, String> {
    let named = env::var_os("CUDA_PATH").map(PathBuf::from);
    let root = find(named.as_deref(), &ROOTS.map(PathBuf::from), &environments())?;
    if named.as_deref() != Some(&root) {
        #[expect(unsafe_code, reason = "burn's compiler reads CUDA_PATH and takes no other setting")]
        // SAFETY: the device is chosen before any kernel is compiled, and no library that reads variables through C runs yet.
        unsafe {
            env::set_var("CUDA_PATH", &root);
        }
    }
    Ok(root)
}

/// The first root that has the file: the one that is named, a toolkit's, a wheel's.
fn find(named: Option<&Path>, toolkits: &[PathBuf], environments: &[PathBuf]) -> Result<PathBuf, String> {
    let wheels = environments.iter().flat_map(|prefix| wheels(prefix));
    let roots = named.map(Path::to_path_buf).into_iter().chain(toolkits.iter().cloned()).chain(wheels);
    roots.into_iter().find(|root| root.join(FILE).is_file()).ok_or_else(|| {
        format!("libdevice.10.bc was not found ({LOOKED}); `pip install nvidia-nvvm` in the active environment brings it, or set CUDA_PATH to a CUDA toolkit")
    })
}

/// The active Python environments, and the one that decant is installed in.
fn environments() -> Vec<PathBuf> {
    let named = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    let program = env::current_exe().ok().and_then(|file| Some(file.parent()?.parent()?.to_path_buf()));
    named.chain(program).collect()
}

/// The folders of NVIDIA's wheels in an environment: `lib/python3.12/site-packages/nvidia/cu13` and its like.
fn wheels(prefix: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let pythons = entries(prefix.join("lib")).into_iter().map(|folder| folder.join("site-packages"));
    pythons
        .chain([prefix.join("Lib/site-packages")])
        .flat_map(|packages| entries(packages.join("nvidia")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn put(root: &Path) {
        let file = root.join(FILE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "BC").unwrap();
    }

    #[test]
    fn it_is_found_below_the_variable_then_in_a_toolkit_then_in_a_wheel() {
        let folder = tempfile::tempdir().unwrap();
        let [named, toolkit, environment] =
            ["named", "toolkit", "environment"].map(|name| folder.path().join(name));
        let found = || find(Some(&named), slice::from_ref(&toolkit), slice::from_ref(&environment));
        let message = found().unwrap_err();
        assert!(
            message.contains("libdevice.10.bc") && message.contains("pip install nvidia-nvvm"),
            "{message}"
        );
        let wheel = environment.join("lib/python3.12/site-packages/nvidia/cu13");
        for root in [&wheel, &toolkit, &named] {
            put(root);
            assert_eq!(&found().unwrap(), root);
        }
    }
}
