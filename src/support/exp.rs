//! fdlibm's `exp` for arguments that are not positive, without branches, so that a loop over it becomes vector code.
//!
//! The same operations in the same order as `libm::exp`, hence the same bits; only results below 1e-304, which no float32 target
//! can tell from 0, are 0 here.

#![expect(unsafe_code, reason = "converts a float whose range was checked")]

const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
const INVERSE_LN2: f64 = f64::from_bits(0x3ff7_1547_652b_82fe);
const P1: f64 = f64::from_bits(0x3fc5_5555_5555_553e);
const P2: f64 = f64::from_bits(0xbf66_c16c_16be_bd93);
const P3: f64 = f64::from_bits(0x3f11_566a_af25_de2c);
const P4: f64 = f64::from_bits(0xbebb_bd41_c5d2_6bf1);
const P5: f64 = f64::from_bits(0x3e66_3769_72be_a4d0);

/// Below this, 0.
const LEAST: f64 = -700.0;
/// fdlibm compares the high word of the argument with these; here they are the largest arguments of each kind.
const HALF_LN2: f64 = f64::from_bits(0x3fd6_2e42_ffff_ffff);
const THREE_HALVES_LN2: f64 = f64::from_bits(0x3ff0_a2b1_ffff_ffff);
const TINY: f64 = f64::from_bits(0x3e30_0000_ffff_ffff);

/// `exp(x)` for `x <= 0`; 1 above, and 0 for NaN.
#[inline(always)]
#[expect(clippy::inline_always, reason = "inlined into callers of several instruction sets")]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    // Whatever comes, NaN too, is brought into the range.
    let bounded = if x >= LEAST { x } else { LEAST };
    let bounded = if bounded <= 0.0 { bounded } else { 0.0 };
    let magnitude = -bounded;
    // Powers of two, as the rounding of fdlibm's three ranges has them.
    let scaled = INVERSE_LN2 * bounded - 0.5;
    // SAFETY: it lies between -1011 and -0.5.
    let whole: i32 = unsafe { scaled.to_int_unchecked() };
    let power = if magnitude > THREE_HALVES_LN2 { whole } else { -1 };
    let power = if magnitude > HALF_LN2 { power } else { 0 };
    let k = f64::from(power);
    let high = bounded - k * LN2_HIGH;
    let low = k * LN2_LOW;
    let r = high - low;
    let square = r * r;
    let c = r - square * (P1 + square * (P2 + square * (P3 + square * (P4 + square * P5))));
    let y = 1.0 + (r * c / (2.0 - c) - low + high);
    let y = if magnitude > TINY { y } else { 1.0 + bounded };
    // Wrapping, for an overflow check would keep a debug build from vector code; it lies between 12 and 1023.
    let result = y * f64::from_bits((1023i32.wrapping_add(power) as u64) << 52);
    if x >= LEAST { result } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng;
    use rand::Rng;

    fn assert_same(x: f64) {
        assert_eq!(exp_of_negative(x).to_bits(), libm::exp(x).to_bits(), "exp({x:e})");
    }

    #[test]
    fn every_bit_is_that_of_libm() {
        let mut rng = rng::keyed("test exp", &[]);
        for _ in 0..400_000 {
            let unit: f64 = rng.random();
            for scale in [1e-9, 0.4, 2.0, 40.0, 700.0] {
                assert_same(-unit * scale);
            }
            assert_same(-(unit * 60.0 - 60.0).exp2());
        }
    }

    #[test]
    fn the_edges_of_each_range_are_those_of_libm() {
        assert_same(0.0);
        assert_same(-0.0);
        assert_same(LEAST);
        for edge in
            [HALF_LN2, THREE_HALVES_LN2, TINY, 0.5 * std::f64::consts::LN_2, 1.5 * std::f64::consts::LN_2]
        {
            for step in -1000i64..=1000 {
                assert_same(-f64::from_bits(edge.to_bits().wrapping_add_signed(step)));
            }
        }
        for half in 1..2000 {
            let edge = f64::from(half) * 0.5 * std::f64::consts::LN_2;
            for step in (-4i64..=4).filter(|_| edge < -LEAST) {
                assert_same(-f64::from_bits(edge.to_bits().wrapping_add_signed(step)));
            }
        }
        assert_eq!((exp_of_negative(-701.0), exp_of_negative(f64::NEG_INFINITY)), (0.0, 0.0));
    }
}
