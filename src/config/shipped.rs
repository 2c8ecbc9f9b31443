//! The pipeline files that come with the program, for when it runs outside of its checkout.

use std::path::Path;

/// Each by its name.
const SHIPPED: &[(&str, &str)] = &[
    ("leaves.toml", include_str!("../../pipelines/leaves.toml")),
    ("leaves-sweep.toml", include_str!("../../pipelines/leaves-sweep.toml")),
    ("beans.toml", include_str!("../../pipelines/beans.toml")),
    ("beans-best.toml", include_str!("../../pipelines/beans-best.toml")),
    ("beans-sweep.toml", include_str!("../../pipelines/beans-sweep.toml")),
    ("imagenette.toml", include_str!("../../pipelines/imagenette.toml")),
    ("smoke.toml", include_str!("../../pipelines/smoke.toml")),
];

/// The text of `NAME.toml` or `pipelines/NAME.toml`, if it comes with the program.
pub(super) fn find(path: &Path) -> Option<&'static str> {
    let name = path.strip_prefix("pipelines").unwrap_or(path);
    SHIPPED.iter().find(|(shipped, _)| Path::new(shipped) == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pipeline_file_comes_with_the_program_by_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
            let name = Path::new(file.file_name().unwrap());
            assert_eq!(find(name), std::fs::read_to_string(&file).ok().as_deref(), "{}", file.display());
            assert_eq!(find(name), find(&Path::new("pipelines").join(name)));
        }
        assert_eq!(find(Path::new("elsewhere/leaves.toml")), None);
    }
}
