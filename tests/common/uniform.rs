//! The values that goldens are made of, on both sides.

/// `uniform` of `goldens/student/make.py`: `SplitMix64` over the index, keyed by FNV-1a of the name.
pub(crate) fn uniform(name: &str, count: usize) -> Vec<f32> {
    let key = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    (1..=count as u64)
        .map(|index| {
            let z = key.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}
