//! Splits that the source lacks, made from train.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::files::some_of;
use super::sample::{Opened, Sample, Split};
use super::{Error, SplitName};
use crate::config;
use crate::support::rng;

/// Makes validation and test where they are missing: each takes the configured share of every class of train, chosen by
/// the seed, so that each keeps train's proportions. A class that is too small for that stays in train. The order within
/// a split stays the source's.
pub(super) fn complete(opened: &mut Opened, config: &config::Dataset) -> Result<(), Error> {
    let missing: Vec<SplitName> = [SplitName::Validation, SplitName::Test]
        .into_iter()
        .filter(|name| !opened.splits.iter().any(|split| split.name == *name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(position) = opened.splits.iter().position(|split| split.name == SplitName::Train) else {
        return Ok(());
    };
    let train = opened.splits.remove(position).samples;
    let (assigned, too_small) = assign(opened, &train, &missing, config)?;

    let part = |name: SplitName| {
        let samples = train.iter().zip(&assigned).filter(|&(_, &to)| to == name);
        Split { name, samples: samples.map(|(sample, _)| sample.clone()).collect() }
    };
    for &name in &missing {
        let split = part(name);
        opened.notes.push(format!(
            "{} of {} train images became the missing {name} split ({:.0} % of each class, seed {})",
            split.samples.len(),
            train.len(),
            100.0 * config.validation_share,
            config.seed
        ));
        opened.splits.push(split);
    }
    if let Some(classes) = some_of(&too_small) {
        let names = missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ");
        opened.notes.push(format!("too few images to share with {names}, so all stay in train: {classes}"));
    }
    opened.splits.push(part(SplitName::Train));
    opened.splits.sort_by_key(|split| split.name);
    Ok(())
}

/// The split of each train sample, and the classes that are too small to share, with their sizes.
fn assign(
    opened: &Opened,
    train: &[Sample],
    missing: &[SplitName],
    config: &config::Dataset,
) -> Result<(Vec<SplitName>, Vec<String>), Error> {
    let mut by_class: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, sample) in train.iter().enumerate() {
        by_class.entry(sample.label).or_default().push(index);
    }
    let mut assigned = vec![SplitName::Train; train.len()];
    let mut too_small = Vec::new();
    let largest = by_class.values().map(Vec::len).max().unwrap_or(0);
    for (label, mut members) in by_class {
        let share = ((members.len() as f64 * config.validation_share).round() as usize).max(1);
        if share * missing.len() >= members.len() {
            let class = usize::try_from(label).ok().and_then(|label| opened.classes.get(label));
            too_small.push(format!("{} ({})", class.map_or("unlabelled", String::as_str), members.len()));
            continue;
        }
        members.shuffle(&mut rng::keyed("share", &[config.seed, label as u64]));
        for (&name, chosen) in missing.iter().zip(members.chunks(share)) {
            for &index in chosen {
                assigned[index] = name;
            }
        }
    }
    if assigned.iter().all(|&split| split == SplitName::Train) {
        return Err(Error::TooFewToShare {
            dataset: opened.name.clone(),
            images: largest,
            share: config.validation_share,
            missing: missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and "),
        });
    }
    Ok((assigned, too_small))
}
