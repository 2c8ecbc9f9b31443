//! Files and folders of a dataset: listed in an order that is the same everywhere, each folder walked once.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// Endings of the image files that are read, in lower case.
const IMAGE_ENDINGS: [&str; 10] = ["jpg", "jpeg", "jfif", "jpe", "png", "webp", "bmp", "gif", "tif", "tiff"];

/// The folders and the files in a folder, sorted, without hidden ones.
pub(super) fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| !last_name(path).starts_with('.'));
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// The text of a name. Bytes that are not UTF-8 are written as `\xfc`, so that no two names become one.
pub(super) fn plain(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The name of a file or folder without the folders above it.
pub(super) fn last_name(path: &Path) -> String {
    plain(path.file_name().unwrap_or_default())
}

/// A path below a folder, with `/` between its parts.
pub(super) fn below(folder: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    relative.iter().map(plain).collect::<Vec<_>>().join("/")
}

/// Whether a file's ending is that of an image.
pub(super) fn is_image(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    IMAGE_ENDINGS.contains(&ending.as_str())
}

/// The first names in a folder, for messages.
pub(super) fn describe(folder: &Path) -> String {
    let names: Vec<String> = match entries(folder) {
        Ok((folders, files)) => folders.iter().chain(&files).map(|path| last_name(path)).collect(),
        Err(_) => Vec::new(),
    };
    some_of(&names).unwrap_or_else(|| "nothing".to_owned())
}

/// The first few of some names, and how many more there are; none of none.
pub(super) fn some_of(names: &[String]) -> Option<String> {
    match names.len() {
        0 => None,
        1..=5 => Some(names.join(", ")),
        more => Some(format!("{} and {} more", names[..5].join(", "), more - 5)),
    }
}

/// A sentence on the files and folders that were ignored below `root`; none where nothing was.
pub(super) fn ignored(root: &Path, paths: &[PathBuf]) -> Option<String> {
    let first = below(root, paths.first()?);
    let folders = paths.iter().filter(|path| path.is_dir()).count();
    let count = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let counts = [count(folders, "folder"), count(paths.len() - folders, "file")];
    let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    Some(if paths.len() == 1 {
        format!("ignored {first}")
    } else {
        format!("ignored {counts}, for example {first}")
    })
}

/// Every image below `folder`, however deep, sorted by path byte by byte, without hidden ones.
///
/// # Errors
/// A folder that can't be read, and a link that leads to a folder which is read already.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Found::default();
    Walk::new(folder, folder)?.images(folder, &mut found)?;
    found.images.sort();
    Ok(found.images)
}

/// The files that a walk found.
#[derive(Default)]
pub(super) struct Found {
    pub images: Vec<PathBuf>,
    pub others: Vec<PathBuf>,
}

/// A walk through one split's folders that reads each of them once. Links to folders elsewhere are followed; one that leads back
/// into the dataset, or above it, would read images twice or give them another class, and is refused.
pub(super) struct Walk {
    /// The dataset's folder, without links.
    root: PathBuf,
    /// The folders that are not to be entered again.
    visited: HashMap<FolderId, PathBuf>,
}

impl Walk {
    /// A walk that begins at `start` and belongs to the dataset in `root`. The folders above both count as visited.
    pub(crate) fn new(root: &Path, start: &Path) -> Result<Self, Error> {
        let canonical = |path: &Path| {
            path.canonicalize().map_err(|source| Error::Read { path: path.to_path_buf(), source })
        };
        let (root, start) = (canonical(root)?, canonical(start)?);
        let above = root.ancestors().skip(1).chain(start.ancestors().skip(1));
        let visited = above.filter_map(|folder| Some((FolderId::of(folder)?, folder.to_path_buf())));
        let visited = visited.collect();
        Ok(Self { root, visited })
    }

    /// Marks `folder` as visited.
    ///
    /// # Errors
    /// It was visited before, under this name or another.
    pub(crate) fn enter(&mut self, folder: &Path) -> Result<(), Error> {
        let Some(id) = FolderId::of(folder) else { return Ok(()) };
        match self.visited.insert(id, folder.to_path_buf()) {
            None => Ok(()),
            Some(first) if is_link(&first) => Err(link(&first, folder)),
            Some(first) => Err(link(folder, &first)),
        }
    }

    /// Adds every image and every other file below `folder`, however deep.
    pub(crate) fn images(&mut self, folder: &Path, found: &mut Found) -> Result<(), Error> {
        self.enter(folder)?;
        let (folders, files) = entries(folder)?;
        let (images, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_image(file));
        found.images.extend(images);
        found.others.extend(others);
        for folder in folders {
            if let Some(target) = self.leads_back(&folder) {
                return Err(link(&folder, &target));
            }
            self.images(&folder, found)?;
        }
        Ok(())
    }

    /// Where a link leads, if that is a folder of the dataset itself or one above it.
    fn leads_back(&self, folder: &Path) -> Option<PathBuf> {
        let target = if is_link(folder) { folder.canonicalize().ok()? } else { return None };
        (target.starts_with(&self.root) || self.root.starts_with(&target)).then_some(target)
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink())
}

fn link(link: &Path, target: &Path) -> Error {
    Error::Link { link: link.to_path_buf(), target: target.to_path_buf() }
}

/// The identity of a folder, whatever its path.
#[derive(PartialEq, Eq, Hash)]
struct FolderId(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

impl FolderId {
    /// None of a folder that is gone.
    #[cfg(unix)]
    fn of(folder: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let folder = fs::metadata(folder).ok()?;
        Some(Self((folder.dev(), folder.ino())))
    }

    /// None of a folder that is gone.
    #[cfg(not(unix))]
    fn of(folder: &Path) -> Option<Self> {
        Some(Self(folder.canonicalize().ok()?))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_that_are_not_utf8_stay_apart() {
        let plain = |bytes: &[u8]| plain(OsStr::from_bytes(bytes));
        assert_eq!(
            [plain(b"Gr\xfcn"), plain(b"Gr\xe4n"), plain("Grün".as_bytes())],
            [r"Gr\xfcn", r"Gr\xe4n", "Grün"]
        );
    }

    #[test]
    fn what_is_ignored_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("docs")).unwrap();
        let said =
            |names: &[&str]| ignored(folder.path(), &names.iter().map(|name| path(name)).collect::<Vec<_>>());
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["LICENSE"]).unwrap(), "ignored LICENSE");
        assert_eq!(said(&["LICENSE", "a.txt"]).unwrap(), "ignored 2 files, for example LICENSE");
        assert_eq!(said(&["docs", "a.txt", "b"]).unwrap(), "ignored 1 folder and 2 files, for example docs");
    }
}
