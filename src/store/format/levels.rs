//! Parquet's repetition and definition levels, checked to say what every list column of a shard says: lists of one
//! length, none of them null.
//!
//! Levels are stored in parquet's RLE / bit-packing hybrid, here one bit wide: a run starts with a varint, whose
//! lowest bit tells a bit-packed run (1, groups of eight values) from a repeated value (0).

/// Values of a bit-packed group.
const GROUP: usize = 8;
/// parquet's own writer ends a bit-packed run at 63 groups.
const MAX_PACKED: usize = 63 * GROUP;

/// The levels of `rows` lists of `width` values each, as a page begins with them: repetition, then definition levels,
/// each after its length. The bytes are those of parquet's own writer.
pub(in crate::store) fn regular(rows: usize, width: usize) -> Vec<u8> {
    let (mut repetition, mut definition) = (Encoder::default(), Encoder::default());
    for _ in 0..rows {
        repetition.put(0, 1);
        repetition.put(1, width - 1);
    }
    definition.put(1, rows * width);
    let mut levels = Vec::new();
    for encoder in [repetition, definition] {
        let bytes = encoder.finish();
        levels.extend((bytes.len() as u32).to_le_bytes());
        levels.extend(bytes);
    }
    levels
}

/// The hybrid encoding, deciding group by group as parquet's own writer does: a value that fills a whole group begins
/// a repeated run.
#[derive(Default)]
struct Encoder {
    bytes: Vec<u8>,
    /// The values of the open bit-packed run; empty while a value is repeated.
    packed: Vec<u8>,
    value: u8,
    /// How often `value` came, counted from the beginning of its group; from [`GROUP`] on it is a repeated run.
    repeated: usize,
}

impl Encoder {
    fn put(&mut self, value: u8, mut count: usize) {
        while count > 0 {
            if self.repeated >= GROUP && self.value == value {
                self.repeated += count;
                return;
            }
            self.put_one(value);
            count -= 1;
        }
    }

    fn put_one(&mut self, value: u8) {
        if self.value == value {
            self.repeated += 1;
        } else {
            if self.repeated >= GROUP {
                self.end_repeated();
            }
            (self.value, self.repeated) = (value, 1);
        }
        self.packed.push(value);
        if !self.packed.len().is_multiple_of(GROUP) {
            return;
        }
        if self.repeated >= GROUP {
            self.packed.truncate(self.packed.len() - GROUP);
            self.end_packed();
        } else {
            if self.packed.len() >= MAX_PACKED {
                self.end_packed();
            }
            self.repeated = 0;
        }
    }

    fn end_repeated(&mut self) {
        let mut header = self.repeated << 1;
        while header >= 0x80 {
            self.bytes.push(header as u8 | 0x80);
            header >>= 7;
        }
        self.bytes.extend([header as u8, self.value]);
        self.packed.clear();
        self.repeated = 0;
    }

    fn end_packed(&mut self) {
        if self.packed.is_empty() {
            return;
        }
        self.bytes.push((self.packed.len() / GROUP) as u8 * 2 + 1);
        let groups = self.packed.chunks(GROUP);
        self.bytes.extend(groups.map(|group| group.iter().rev().fold(0, |byte, value| byte << 1 | value)));
        self.packed.clear();
    }

    fn finish(mut self) -> Vec<u8> {
        let tail = self.packed.len() % GROUP;
        let all_repeat = self.packed.len() == tail && (self.repeated == tail || tail == 0);
        if self.repeated > 0 && all_repeat {
            self.end_repeated();
        } else if !self.packed.is_empty() {
            // The last group is filled up with zeros.
            self.packed.resize(self.packed.len().next_multiple_of(GROUP), 0);
            self.end_packed();
        }
        self.bytes
    }
}

/// A run of levels.
enum Run<'a> {
    Repeated { value: u8, count: usize },
    Packed { bytes: &'a [u8] },
}

/// Whether `repetition` and `definition` are the levels of `rows` lists of `width` values each.
pub(in crate::store) fn are_regular(repetition: &[u8], definition: &[u8], rows: usize, width: usize) -> bool {
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
    fn levels_are_what_is_read_as_regular() {
        for width in 1..40 {
            for rows in [1, 2, 3, 8, 9, 100, 700] {
                let levels = regular(rows, width);
                let (length, rest) = levels.split_first_chunk::<4>().unwrap();
                let (repetition, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
                assert!(are_regular(repetition, &rest[4..], rows, width), "{rows} lists of {width}");
            }
        }
    }

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
