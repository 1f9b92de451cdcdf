//! What tells a file from another of the same name.

use crate::{Error, Result};
use sha2::Digest;
use std::io::Read;
use std::path::Path;

/// SHA-256 of a file's bytes as they are, 64 hexadecimal digits.
pub fn sha256_of(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(Error::io(path))?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).map_err(Error::io(path))?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// GA4GH's `sha512t24u`: the first 24 bytes of the SHA-512, as 32 letters of base64url.
pub fn sha512t24u(bytes: &[u8]) -> String {
    truncated(&sha2::Sha512::digest(bytes))
}

/// The first 24 bytes of a digest, as 32 letters of base64url (RFC 4648 §5; no padding is left
/// over by whole groups of three bytes).
pub fn truncated(digest: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    digest[..24]
        .as_chunks::<3>()
        .0
        .iter()
        .flat_map(|[a, b, c]| {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
            [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize] as char)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_ga4gh_examples() {
        // From the specification's text on truncated digests.
        assert_eq!(sha512t24u(b""), "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXc");
        assert_eq!(sha512t24u(b"ACGT"), "aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2");
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
    }
}
