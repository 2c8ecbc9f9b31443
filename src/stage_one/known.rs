//! Rows whose logits are known before the teacher is asked: from other caches of the same teacher, and from a run that did not finish
//! a shard.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::known_row::KnownRow;
use super::partial::Partial;
use super::{Error, Settings};
use crate::dataset::{Dataset, Sample, SplitName};
use crate::objects::Url;
use crate::store::{self, Cache, CacheBuilder, Manifest, ShardSpec, SplitRows, TeacherIdentity};

/// A shard to fill.
pub(super) struct Task {
    pub spec: ShardSpec,
    /// The rows to ask the teacher for; none where it is asked for all.
    rows: Option<Vec<u32>>,
    /// Rows that a run before kept.
    kept: BTreeMap<u64, KnownRow>,
}

impl Task {
    /// A shard without a known row.
    #[cfg(test)]
    pub(crate) fn whole(spec: ShardSpec) -> Self {
        Self { spec, rows: None, kept: BTreeMap::new() }
    }

    /// How many rows the teacher is asked for.
    pub(crate) fn asked(&self) -> usize {
        self.rows.as_ref().map_or(self.spec.rows as usize, Vec::len)
    }

    /// The place in the shard of one of these rows.
    pub(crate) fn row(&self, index: usize) -> u64 {
        self.rows.as_ref().map_or(index as u64, |rows| rows[index].into())
    }
}

/// The shards to fill, and what is known of them.
pub(super) struct Known {
    pub tasks: Vec<Task>,
    donors: Donors,
    /// The temperatures of the cache that is made.
    temperatures: Vec<f32>,
}

impl Known {
    /// Looks for rows of the shards `to_do` beside them and in the other caches of the folder.
    pub(crate) fn find(
        site: &CacheBuilder,
        dataset: &Dataset,
        to_do: Vec<ShardSpec>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let donors = if to_do.is_empty() { Donors::default() } else { Donors::find(site, settings)? };
        let mut tasks = Vec::with_capacity(to_do.len());
        for spec in to_do {
            let split: SplitName = spec.split.parse().expect("the manifest has the splits of the dataset");
            let kept = Partial::read(site.dir(), site.manifest(), &spec);
            let is_known = |row: u64| {
                let (index, view) = spec.identity(row);
                kept.contains_key(&row)
                    || donors.row(image_hash(sample(dataset, split, index)), view).is_some()
            };
            let rows = (!kept.is_empty() || !donors.splits.is_empty()).then(|| {
                (0..spec.rows).filter(|&row| !is_known(row)).map(|row| row as u32).collect::<Vec<u32>>()
            });
            tasks.push(Task { spec, rows, kept });
        }
        Ok(Self { tasks, donors, temperatures: site.manifest().temperatures.clone() })
    }

    /// A row that is known.
    pub(crate) fn row(
        &self,
        task: &Task,
        position: u64,
        view: u16,
        image_hash: [u8; 16],
    ) -> Result<KnownRow, Error> {
        if let Some(row) = task.kept.get(&position) {
            return Ok(row.clone());
        }
        let (donor, row) = self.donors.row(image_hash, view).expect("a row that is not asked for is known");
        let rows = &donor.rows;
        let mut logits = vec![0.0; rows.classes()];
        rows.gather_logits(&[row], &mut logits)?;
        let stored = if donor.is_exact { None } else { Some(rows.stored_values(row, &self.temperatures)?) };
        let (crop, flip, input_hash) = (rows.crop(row), rows.flip(row), rows.input_hash(row));
        // View 0 has none, whatever views its cache has.
        let operations = if view == 0 { Vec::new() } else { rows.operations(row) };
        Ok(KnownRow { crop, flip, operations, input_hash, logits, stored })
    }
}

/// A sample of a split that the dataset has.
pub(super) fn sample(dataset: &Dataset, split: SplitName, index: u64) -> &Sample {
    &dataset.split(split).expect("the manifest has the splits of the dataset").samples[index as usize]
}

/// The first 128 bits of the BLAKE3 of its file.
pub(super) fn image_hash(sample: &Sample) -> [u8; 16] {
    sample.content.0.first_chunk().copied().expect("a digest has 32 bytes")
}

/// Complete caches from which rows can be taken as the teacher would give them again, to the last bit: of unrounded logits, or of the
/// encoding that is wanted.
#[derive(Default)]
struct Donors {
    splits: Vec<Donor>,
    /// Where an image stands: the split above and the sample.
    by_image: HashMap<[u8; 16], Vec<(u32, u64)>>,
}

struct Donor {
    rows: Arc<SplitRows>,
    /// Whether its views after view 0 are drawn as those that are wanted.
    has_same_views: bool,
    /// Whether its logits are the teacher's own.
    is_exact: bool,
}

impl Donors {
    /// The caches beside this one that the same teacher made in the same way, of the same classes, those of unrounded logits first. One
    /// that can't be used, or is damaged, is passed over. An object store is not searched.
    fn find(site: &CacheBuilder, settings: &Settings) -> Result<Self, Error> {
        let mut donors = Self::default();
        if Url::of(&settings.cache.dir).is_some() {
            return Ok(donors);
        }
        let wanted = site.manifest();
        let mut usable = Vec::new();
        for folder in store::find(&settings.cache.dir, None)? {
            let Ok(found) = Manifest::read(&folder) else { continue };
            if !can_give(&found, wanted) {
                continue;
            }
            let Ok(cache) = Cache::open(&folder) else { continue };
            if has_columns(cache.manifest(), wanted) && cache.check_content().is_ok() {
                usable.push(cache);
            }
        }
        usable.sort_by_key(|cache| !cache.manifest().encoding.is_exact());
        for cache in usable {
            let found = cache.manifest();
            let has_same_views = found.view.draws_as(&wanted.view);
            let is_exact = found.encoding.is_exact();
            for split in &found.dataset.splits {
                donors.add(Donor { rows: cache.split(&split.name)?, has_same_views, is_exact });
            }
        }
        Ok(donors)
    }

    fn add(&mut self, donor: Donor) {
        let number = self.splits.len() as u32;
        for sample in 0..donor.rows.samples() {
            if let Some(row) = donor.rows.row(sample, 0) {
                self.by_image.entry(donor.rows.image_hash(row)).or_default().push((number, sample));
            }
        }
        self.splits.push(donor);
    }

    /// A view of an image, wherever it stands. View 0 is the same under every way to draw the others.
    fn row(&self, image_hash: [u8; 16], view: u16) -> Option<(&Donor, usize)> {
        self.by_image.get(&image_hash)?.iter().find_map(|&(number, sample)| {
            let donor = &self.splits[number as usize];
            let row = donor.rows.row(sample, view).filter(|_| view == 0 || donor.has_same_views)?;
            Some((donor, row))
        })
    }
}

fn can_give(found: &Manifest, wanted: &Manifest) -> bool {
    let teacher = TeacherIdentity { name: wanted.teacher.name.clone(), ..found.teacher.clone() };
    found.key != wanted.key
        && (found.encoding.is_exact() || found.encoding == wanted.encoding)
        && teacher == wanted.teacher
        && found.view.resize == wanted.view.resize
        && found.dataset.classes == wanted.dataset.classes
}

/// Whether every column of `wanted` can be made from what a cache of these logits or this encoding has: the mass of dropped classes is
/// known at its own temperatures only.
fn has_columns(found: &Manifest, wanted: &Manifest) -> bool {
    found.encoding.keeps_all()
        || wanted
            .temperatures
            .iter()
            .all(|wanted| found.temperatures.iter().any(|held| held.total_cmp(wanted).is_eq()))
}
