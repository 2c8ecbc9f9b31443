//! Splits that the source lacks, made from train.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::{Dataset, Error, Split, SplitName};
use crate::config;
use crate::support::rng;

/// Makes validation and test where they are missing: each takes the configured share of every class of train, chosen by
/// the seed, so that each keeps train's proportions. The order within a split stays the source's.
pub(super) fn complete(dataset: &mut Dataset, config: &config::Dataset) -> Result<(), Error> {
    let missing: Vec<SplitName> = [SplitName::Validation, SplitName::Test]
        .into_iter()
        .filter(|&name| dataset.split(name).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(position) = dataset.splits.iter().position(|split| split.name == SplitName::Train) else {
        return Ok(());
    };
    let train = dataset.splits.remove(position).samples;
    let assigned = assign(dataset, &train, &missing, config)?;

    let part = |name: SplitName| {
        let samples = train.iter().zip(&assigned).filter(|&(_, &to)| to == name);
        Split { name, samples: samples.map(|(sample, _)| sample.clone()).collect() }
    };
    for &name in &missing {
        let split = part(name);
        dataset.notes.push(format!(
            "the source has no {name} split: {} of {} train images were set apart for it ({} of each class, seed {})",
            split.samples.len(),
            train.len(),
            config.validation_share,
            config.seed
        ));
        dataset.splits.push(split);
    }
    dataset.splits.push(part(SplitName::Train));
    dataset.splits.sort_by_key(|split| split.name);
    Ok(())
}

/// The split of each train sample.
fn assign(
    dataset: &Dataset,
    train: &[super::Sample],
    missing: &[SplitName],
    config: &config::Dataset,
) -> Result<Vec<SplitName>, Error> {
    let mut by_class: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, sample) in train.iter().enumerate() {
        by_class.entry(sample.label).or_default().push(index);
    }
    let mut assigned = vec![SplitName::Train; train.len()];
    for (label, mut members) in by_class {
        let share = ((members.len() as f64 * config.validation_share).round() as usize).max(1);
        if share * missing.len() >= members.len() {
            let class = usize::try_from(label).ok().and_then(|label| dataset.classes.get(label));
            return Err(Error::TooFewToShare {
                dataset: dataset.name.clone(),
                class: class.map_or("(unlabelled)", String::as_str).to_owned(),
                images: members.len(),
                share: config.validation_share,
                missing: missing.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and "),
            });
        }
        members.shuffle(&mut rng::keyed("share", &[config.seed, label as u64]));
        for (&name, chosen) in missing.iter().zip(members.chunks(share)) {
            for &index in chosen {
                assigned[index] = name;
            }
        }
    }
    Ok(assigned)
}
