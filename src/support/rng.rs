//! Random numbers that depend on a key and on nothing else: not on thread order, machine or how many were drawn before.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A generator for one purpose and one key, such as `("order", [seed, epoch])`. Same purpose and key, same numbers.
pub fn keyed(purpose: &str, key: &[u64]) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    for word in key {
        hasher.update(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use rand::RngCore;

    use super::*;

    #[test]
    fn the_numbers_depend_on_purpose_and_key_alone() {
        let first = |purpose, key: &[u64]| keyed(purpose, key).next_u64();
        assert_eq!(first("order", &[1, 2]), first("order", &[1, 2]));
        assert_ne!(first("order", &[1, 2]), first("order", &[2, 1]));
        assert_ne!(first("order", &[1, 2]), first("crop", &[1, 2]));
    }
}
