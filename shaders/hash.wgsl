// Twin of src/genome/syncmer.rs: the hashes.

override MULTIPLIER_0: u32;
override MULTIPLIER_1: u32;
override MULTIPLIER_2: u32;

fn hash_kmer(high: u32, low: u32) -> u32 {
  var h = low * MULTIPLIER_0;
  h = (h ^ (h >> 15u) ^ high) * MULTIPLIER_1;
  h = (h ^ (h >> 13u)) * MULTIPLIER_2;
  return h ^ (h >> 16u);
}
