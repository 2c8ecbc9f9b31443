//! Which samples a step sees, and in which view: functions of (seed, epoch) and (seed, sample), of nothing else.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::support::rng;

/// The samples `0..samples` in the order of one epoch.
pub fn epoch_order(seed: u64, epoch: usize, samples: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    order.shuffle(&mut rng::keyed("epoch order", &[seed, epoch as u64]));
    order
}

/// The samples of one epoch of `length`, each with the pass that it belongs to: passes over `samples`, each in an order of its own,
/// follow each other and are cut into epochs. Where all samples are trained on, a pass is an epoch; where there are fewer, since the
/// only labels are learnt from and some samples have none, an epoch has as many steps as with all of them.
pub(crate) fn epoch_samples(
    seed: u64,
    epoch: usize,
    length: usize,
    samples: &[usize],
) -> Vec<(usize, usize)> {
    let (mut begin, end) = (epoch * length, (epoch + 1) * length);
    let mut taken = Vec::with_capacity(length);
    while begin < end {
        let (pass, skip) = (begin / samples.len(), begin % samples.len());
        let order = epoch_order(seed, pass, samples.len());
        let part = &order[skip..order.len().min(skip + end - begin)];
        taken.extend(part.iter().map(|&index| (samples[index], pass)));
        begin += part.len();
    }
    taken
}

/// The view of `sample` in `epoch`: each of the `views` once before any comes again.
pub fn view_of(seed: u64, sample: usize, epoch: usize, views: u16) -> u16 {
    let mut order: Vec<u16> = (0..views).collect();
    order.shuffle(&mut rng::keyed("view order", &[seed, sample as u64]));
    order[epoch % usize::from(views)]
}

/// For each of the samples `0..samples` another one, each once: a random cycle through all of them (Sattolo's algorithm).
///
/// A single sample has no other.
pub fn others(seed: u64, samples: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (0..samples).collect();
    let mut random = rng::keyed("permuted targets", &[seed]);
    for last in (1..samples).rev() {
        others.swap(last, random.random_range(0..last));
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sample_is_its_own_other_and_each_is_one() {
        for samples in 2..40 {
            for seed in 0..20 {
                let others = others(seed, samples);
                assert!(others.iter().enumerate().all(|(sample, &other)| sample != other));
                let mut sorted = others.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..samples).collect::<Vec<_>>());
            }
        }
        assert_eq!(others(3, 40), others(3, 40));
        assert_ne!(others(3, 40), others(4, 40));
    }

    #[test]
    fn an_epoch_holds_every_sample_once_in_an_order_of_its_own() {
        let first = epoch_order(1, 0, 100);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(first, epoch_order(1, 0, 100));
        assert_ne!(first, epoch_order(1, 1, 100));
        assert_ne!(first, epoch_order(2, 0, 100));
    }

    #[test]
    fn passes_over_some_samples_follow_each_other_and_fill_the_epochs() {
        let some = [3, 5, 7];
        let epochs: Vec<_> = (0..6).flat_map(|epoch| epoch_samples(1, epoch, 4, &some)).collect();
        assert_eq!(epochs.len(), 24);
        for (pass, samples) in epochs.chunks(3).enumerate() {
            let mut sorted: Vec<usize> = samples.iter().map(|&(sample, _)| sample).collect();
            sorted.sort_unstable();
            assert_eq!(sorted, some);
            assert!(samples.iter().all(|&(_, of)| of == pass));
        }
    }

    #[test]
    fn a_pass_over_all_samples_is_an_epoch() {
        let all: Vec<usize> = (0..10).collect();
        for epoch in 0..3 {
            let expected: Vec<_> =
                epoch_order(1, epoch, 10).into_iter().map(|sample| (sample, epoch)).collect();
            assert_eq!(epoch_samples(1, epoch, 10, &all), expected);
        }
    }

    #[test]
    fn every_view_comes_once_before_any_comes_again() {
        for sample in 0..20 {
            let mut seen: Vec<u16> = (7..14).map(|epoch| view_of(3, sample, epoch, 7)).collect();
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        }
    }
}
