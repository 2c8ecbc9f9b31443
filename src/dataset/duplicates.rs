//! Images that a dataset holds more than once, byte for byte: in two splits, or twice in one.

use super::{Split, SplitName};

/// Images of one split whose bytes are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Duplicates {
    /// The split that holds them.
    pub split: SplitName,
    /// Where they are found again: an earlier split, or the same one.
    pub also_in: SplitName,
    /// How many images of `split` they are; in the same split, without the first of each.
    pub images: usize,
    /// How many of these have another label there.
    pub relabelled: usize,
    /// One of them, relabelled if any is, as its index in `split`.
    pub example: usize,
    /// The same image's index in `also_in`.
    pub example_there: usize,
}

/// The digest that tells images apart, and the label of one.
pub(crate) type Identity = ([u8; 16], i32);

/// An image by the first 128 bits of its digest, its split's place in the list, its index and its label.
type Entry = ([u8; 16], usize, usize, i32);

impl Duplicates {
    /// The duplicates of a dataset's splits, which stand in the order train, validation, test.
    pub(super) fn in_splits(splits: &[Split]) -> Vec<Self> {
        let identities = splits.iter().map(|split| {
            let identity = |sample: &super::Sample| {
                let mut image = [0; 16];
                image.copy_from_slice(&sample.content.0[..16]);
                (image, sample.label)
            };
            (split.name, split.samples.iter().map(identity))
        });
        Self::among(identities)
    }

    /// The duplicates of splits, given as the image and label of each sample.
    pub fn among<I: Iterator<Item = Identity>>(splits: impl Iterator<Item = (SplitName, I)>) -> Vec<Self> {
        let mut names = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (split, (name, samples)) in splits.enumerate() {
            names.push(name);
            entries.extend(samples.enumerate().map(|(index, (image, label))| (image, split, index, label)));
        }
        entries.sort_unstable();
        let mut found: Vec<Self> = Vec::new();
        for same in entries.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            for (position, entry) in same.iter().enumerate() {
                for (there, &also_in) in names.iter().enumerate().take(entry.1 + 1) {
                    // In its own split, an image is a duplicate of those before it.
                    let before = same[..position].iter().filter(|other| other.1 == there);
                    if let Some((first, relabelled)) = compare(entry, before) {
                        count(&mut found, (names[entry.1], entry.2), (also_in, first), relabelled);
                    }
                }
            }
        }
        found.sort_by_key(|one| (one.also_in, one.split));
        found
    }

    /// The sentence for the user; `name` gives what messages call a sample.
    pub(crate) fn sentence(&self, name: impl Fn(SplitName, usize) -> String) -> String {
        let Self { split, also_in, images, relabelled, example, example_there } = *self;
        let (plural, are) = if images == 1 { ("", "is") } else { ("s", "are") };
        let found = if split == also_in {
            let copies = if images == 1 { "a copy" } else { "copies" };
            format!("{images} image{plural} of {split} {are} {copies} of others in {split}")
        } else {
            format!("{images} image{plural} of {split} {are} also in {also_in}")
        };
        let labels = match relabelled {
            0 => String::new(),
            all if all == images => ", under another label".to_owned(),
            some => format!(", {some} of them under another label"),
        };
        let (example, there) = (name(split, example), name(also_in, example_there));
        format!("{found}{labels} (for example {example} and {there})")
    }
}

/// The first of `others`, where there is one, and whether no label among them is the entry's own though some are known.
fn compare<'a>(entry: &Entry, others: impl Iterator<Item = &'a Entry>) -> Option<(usize, bool)> {
    let (mut first, mut labelled, mut same) = (None, None, false);
    for other in others {
        first = first.or(Some(other.2));
        if other.3 >= 0 {
            labelled = labelled.or(Some(other.2));
            same |= other.3 == entry.3;
        }
    }
    let relabelled = entry.3 >= 0 && labelled.is_some() && !same;
    let shown = if relabelled { labelled } else { first };
    Some((shown?, relabelled))
}

fn count(found: &mut Vec<Duplicates>, here: (SplitName, usize), there: (SplitName, usize), relabelled: bool) {
    let known = found.iter().position(|one| (one.split, one.also_in) == (here.0, there.0));
    let known = known.unwrap_or_else(|| {
        let (split, also_in) = (here.0, there.0);
        let (example, example_there) = (here.1, there.1);
        found.push(Duplicates { split, also_in, images: 0, relabelled: 0, example, example_there });
        found.len() - 1
    });
    let known = &mut found[known];
    known.images += 1;
    // The first sample in its split's order, of those under another label if there are any.
    let is_better = match (relabelled, known.relabelled > 0) {
        (true, false) => true,
        (false, true) => false,
        _ => here.1 < known.example,
    };
    if is_better {
        (known.example, known.example_there) = (here.1, there.1);
    }
    known.relabelled += usize::from(relabelled);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(splits: &[(SplitName, &[(u8, i32)])]) -> Vec<String> {
        let splits = splits.iter().map(|(name, samples)| {
            (
                *name,
                samples.iter().map(|&(image, label)| ([image; 16], label)).collect::<Vec<_>>().into_iter(),
            )
        });
        let name = |split, index| format!("{split}/{index}");
        Duplicates::among(splits).iter().map(|one| one.sentence(name)).collect()
    }

    #[test]
    fn images_in_two_splits_and_twice_in_one_are_counted_with_their_labels() {
        use SplitName::{Test, Train, Validation};
        let train = &[(1, 0), (2, 0), (3, 1), (3, 0), (4, 1), (9, -1), (1, -1)][..];
        let validation = &[(5, 0), (5, 0)][..];
        let test = &[(7, 0), (2, 0), (1, 1), (3, 1), (9, 1), (5, 1)][..];
        assert_eq!(
            sentences(&[(Train, train), (Validation, validation), (Test, test)]),
            [
                "2 images of train are copies of others in train, 1 of them under another label (for example train/3 and train/2)",
                "4 images of test are also in train, 1 of them under another label (for example test/2 and train/0)",
                "1 image of validation is a copy of others in validation (for example validation/1 and validation/0)",
                "1 image of test is also in validation, under another label (for example test/5 and validation/0)",
            ]
        );
        assert!(sentences(&[(Train, &[(1, 0), (2, 0)]), (Test, &[(3, 0)])]).is_empty());
    }
}
