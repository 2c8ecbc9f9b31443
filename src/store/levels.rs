//! Parquet's repetition and definition levels, checked to say what every list column of a shard says: lists of one
//! length, none of them null.
//!
//! Levels are stored in parquet's RLE / bit-packing hybrid, here one bit wide: a run starts with a varint, whose
//! lowest bit tells a bit-packed run (1, groups of eight values) from a repeated value (0).

/// A run of levels.
enum Run<'a> {
    Repeated { value: u8, count: usize },
    Packed { bytes: &'a [u8] },
}

/// Whether `repetition` and `definition` are the levels of `rows` lists of `width` values each.
pub(super) fn are_regular(repetition: &[u8], definition: &[u8], rows: usize, width: usize) -> bool {
    all_ones(definition, rows * width) && starts_every(repetition, rows * width, width)
}

/// Every value is there.
fn all_ones(levels: &[u8], total: usize) -> bool {
    walk(levels, total, |value, count, _| (value == 1).then_some(count))
}

/// Level 0 starts a list, level 1 goes on with it: zeros exactly at the multiples of `width`.
fn starts_every(levels: &[u8], total: usize, width: usize) -> bool {
    walk(levels, total, |value, count, position| {
        let offset = position % width;
        match value {
            0 if width == 1 => Some(count),
            0 => (offset == 0 && count == 1).then_some(count),
            _ => (offset > 0 && offset + count <= width).then_some(count),
        }
    })
}

/// Walks `total` levels run by run; `accept(value, count, position)` refuses a run with `None`.
fn walk(mut bytes: &[u8], total: usize, accept: impl Fn(u8, usize, usize) -> Option<usize>) -> bool {
    let mut position = 0;
    while position < total {
        let Some(run) = next_run(&mut bytes) else { return false };
        let advanced = match run {
            Run::Repeated { value, count } if count <= total - position => accept(value, count, position),
            Run::Repeated { .. } => None,
            Run::Packed { bytes } => {
                // The last group is padded to eight values.
                let count = (bytes.len() * 8).min(total - position);
                let bit = |index: usize| (bytes[index / 8] >> (index % 8)) & 1;
                (0..count).all(|index| accept(bit(index), 1, position + index).is_some()).then_some(count)
            }
        };
        match advanced {
            Some(count) if count > 0 => position += count,
            _ => return false,
        }
    }
    bytes.is_empty()
}

fn next_run<'a>(bytes: &mut &'a [u8]) -> Option<Run<'a>> {
    let header = varint(bytes)?;
    let count = usize::try_from(header >> 1).ok()?;
    if header & 1 == 1 {
        let (packed, rest) = bytes.split_at_checked(count)?;
        *bytes = rest;
        Some(Run::Packed { bytes: packed })
    } else {
        let (&value, rest) = bytes.split_first()?;
        *bytes = rest;
        (value <= 1).then_some(Run::Repeated { value, count })
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve ones as one repeated run.
    const TWELVE_ONES: [u8; 2] = [12 << 1, 1];

    #[test]
    fn lists_of_one_length_are_regular() {
        // 0 1 1 0 1 1 0 1 | 1 0 1 1: two packed groups, padded.
        assert!(are_regular(&[(2 << 1) | 1, 0b1011_0110, 0b0000_1101], &TWELVE_ONES, 4, 3));
        // 0, eleven ones: one packed group of eight, then a repeated run of four.
        assert!(are_regular(&[(1 << 1) | 1, 0b1111_1110, 4 << 1, 1], &TWELVE_ONES, 1, 12));
        // Lists of one value never go on.
        assert!(are_regular(&[12 << 1, 0], &TWELVE_ONES, 12, 1));
    }

    #[test]
    fn a_list_that_is_too_short_or_too_long_is_found() {
        assert!(!are_regular(&[(2 << 1) | 1, 0b1101_0110, 0b0000_1101], &TWELVE_ONES, 4, 3));
        assert!(!are_regular(&[(1 << 1) | 1, 0b1111_1110, 4 << 1, 1], &TWELVE_ONES, 2, 6));
    }

    #[test]
    fn a_null_is_found() {
        let nulls = [(2 << 1) | 1, 0b1111_1111, 0b0000_1101];
        assert!(!are_regular(&[(2 << 1) | 1, 0b1011_0110, 0b0000_1101], &nulls, 4, 3));
    }

    #[test]
    fn damaged_runs_are_refused() {
        let repetition = [(2 << 1) | 1, 0b1011_0110, 0b0000_1101];
        for definition in [&[][..], &[24], &[24, 2], &[26, 1], &[24, 1, 0], &[0, 1], &[0xff; 9], &[9, 255]] {
            assert!(!are_regular(&repetition, definition, 4, 3), "{definition:?}");
        }
    }
}
