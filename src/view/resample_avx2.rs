//! Both passes on AVX2, with the very sums of the plain loops. Along a row, four taps of a pixel's three channels at once.
//!
//! A 22-bit weight does not fit the 16-bit products that the processor adds in pairs, so it is cut into `high * 2^11 + low`;
//! sums wrap at 32 bits as the plain ones do, so shifting and adding the parts gives the same bits.

#![expect(unsafe_code, reason = "loads and multiplies pixels with AVX2")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_packus_epi16, _mm_packus_epi32,
    _mm_set1_epi32, _mm_slli_epi32, _mm_srai_epi32, _mm256_add_epi32, _mm256_broadcastsi128_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
};

use super::filter::{PRECISION_BITS, Weights};
use super::resample_plain::vertical_plain;

/// Taps in one step.
const TAPS: usize = 4;
/// Bytes that one step reads; it uses 12 of them.
const READ: usize = 16;
const LOW_BITS: u32 = 11;

/// The weights of one step, each pair of taps for each of four channels: first the low parts, then the high ones.
type Step = [[i16; 16]; 2];

/// The weights of every target pixel, cut and in steps.
pub(super) struct Steps {
    /// Each target pixel's first source byte, and how many steps it takes.
    pixels: Vec<(usize, usize)>,
    weights: Vec<Step>,
    /// How far behind a row's beginning any step reads.
    reach: usize,
}

impl Steps {
    /// None where the processor has no AVX2, or a weight is too large to be cut.
    pub(crate) fn new(weights: &Weights) -> Option<Self> {
        if !is_x86_feature_detected!("avx2") {
            return None;
        }
        let (mut pixels, mut cut, mut reach) = (Vec::new(), Vec::new(), 0);
        for (first, weights) in weights.iter() {
            let before = cut.len();
            for taps in weights.chunks(TAPS) {
                let mut step = Step::default();
                for (tap, &weight) in taps.iter().enumerate() {
                    let low = (weight & ((1 << LOW_BITS) - 1)) as i16;
                    let high = i16::try_from(weight >> LOW_BITS).ok()?;
                    for channel in 0..4 {
                        let lane = tap / 2 * 8 + channel * 2 + tap % 2;
                        (step[0][lane], step[1][lane]) = (low, high);
                    }
                }
                cut.push(step);
            }
            let count = cut.len() - before;
            pixels.push((first * 3, count));
            reach = reach.max(first * 3 + count.saturating_sub(1) * 3 * TAPS + READ);
        }
        Some(Self { pixels, weights: cut, reach })
    }

    /// Writes `rows` of `stride` bytes as rows of as many pixels as there are weights.
    pub(crate) fn run(&self, rows: &[u8], stride: usize, out: &mut [u8]) {
        let width = self.pixels.len() * 3;
        let count = rows.len() / stride;
        // The last rows are read beyond the end of the pixels, so they are read from a longer copy.
        let whole = (0..count).take_while(|row| row * stride + self.reach <= rows.len()).count();
        let (body, tail) = out.split_at_mut(whole * width);
        // SAFETY: `new` saw AVX2, and every row reaches as far as the steps read.
        unsafe { self.rows(rows, stride, body) };
        let mut last = rows[whole * stride..].to_vec();
        last.resize(last.len() + self.reach, 0);
        // SAFETY: as above.
        unsafe { self.rows(&last, stride, tail) };
    }

    /// # Safety
    /// The processor has AVX2, and `self.reach` bytes follow the beginning of each row that `out` has room for.
    #[target_feature(enable = "avx2")]
    unsafe fn rows(&self, rows: &[u8], stride: usize, out: &mut [u8]) {
        for (row, out) in out.chunks_exact_mut(self.pixels.len() * 3).enumerate() {
            let row = &rows[row * stride..];
            debug_assert!(row.len() >= self.reach);
            let mut steps = self.weights.as_slice();
            for (&(first, count), out) in self.pixels.iter().zip(out.as_chunks_mut::<3>().0) {
                let (mine, rest) = steps.split_at(count);
                steps = rest;
                // SAFETY: these steps read within the row's reach.
                let sum = unsafe { pixel(row.as_ptr().wrapping_add(first), mine) };
                let levels = _mm_srai_epi32::<{ PRECISION_BITS as i32 }>(sum);
                let words = _mm_packus_epi32(levels, levels);
                let bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes();
                out.copy_from_slice(&bytes[..3]);
            }
        }
    }
}

/// The sums of a target pixel's channels, the fourth of no meaning.
///
/// # Safety
/// The processor has AVX2, and `READ` bytes can be read at each step's 12th byte from `source`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pixel(source: *const u8, steps: &[Step]) -> __m128i {
    // Red of two neighbours as 16-bit numbers, then green, blue and whatever comes fourth; the second half has the next two.
    let pairs: __m256i = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
    );
    let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    for (index, step) in steps.iter().enumerate() {
        // SAFETY: as the caller promises; a step is two times 32 bytes.
        let (bytes, lows, highs) = unsafe {
            (
                _mm_loadu_si128(source.add(index * 3 * TAPS).cast()),
                _mm256_loadu_si256(step[0].as_ptr().cast()),
                _mm256_loadu_si256(step[1].as_ptr().cast()),
            )
        };
        let values = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(values, lows));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(values, highs));
    }
    let both = |halves: __m256i| {
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
    };
    let high = _mm_slli_epi32::<{ LOW_BITS as i32 }>(both(high));
    _mm_add_epi32(_mm_add_epi32(both(low), high), _mm_set1_epi32(1 << (PRECISION_BITS - 1)))
}

/// The column pass, which the compiler vectorises by itself where it may use AVX2.
#[target_feature(enable = "avx2")]
pub(super) fn vertical(pixels: &[u8], stride: usize, weights: &Weights, first_row: usize, out: &mut [u8]) {
    vertical_plain(pixels, stride, weights, first_row, out);
}
