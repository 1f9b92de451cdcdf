//! Unique molecular identifiers: where sequencers and their software leave them, and how RX has them
//! (SAM tags §1.3: letters, a hyphen between those of several reads).

/// Where a template's UMI stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Umi {
    /// In the read's name, behind its last colon.
    Name,
    /// In the comment behind the name: as RX:Z:, or as its last word.
    Comment,
}

/// The UMI of a name like `M1:1:F:1:1101:1000:2000:ACGT+TTAC`.
pub fn of_name(name: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memrchr(b':', name)?;
    normal(&name[at + 1..])
}

/// The UMI of a comment.
pub fn of_comment(comment: &[u8]) -> Option<Vec<u8>> {
    let words = || {
        comment
            .split(|c| matches!(c, b' ' | b'\t'))
            .filter(|w| !w.is_empty())
    };
    let tagged = words().find_map(|w| w.strip_prefix(b"RX:Z:"));
    normal(tagged.or_else(|| words().next_back())?)
}

/// As RX has it; `None` for what is no UMI.
fn normal(text: &[u8]) -> Option<Vec<u8>> {
    let letters = |part: &[u8]| !part.is_empty() && part.iter().all(|b| b"ACGTNacgtn".contains(b));
    let joint = |c: &u8| matches!(c, b'+' | b'-' | b'_');
    let umi = text.split(joint).all(letters);
    umi.then(|| {
        let upper = |c: &u8| {
            if joint(c) {
                b'-'
            } else {
                c.to_ascii_uppercase()
            }
        };
        text.iter().map(upper).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn umis_are_found_where_they_stand_and_written_as_rx_has_them() {
        let name = |n: &str| of_name(n.as_bytes()).map(|u| String::from_utf8(u).unwrap());
        assert_eq!(
            name("M1:1:F:1:1101:10:20:ACGT+ttac").as_deref(),
            Some("ACGT-TTAC")
        );
        assert_eq!(name("M1:1:F:1:1101:10:20:ACGN").as_deref(), Some("ACGN"));
        for bad in [
            "M1:1:F:1:1101:10:20",
            "ACGT",
            "a:",
            "a:AC++GT",
            "a:AC-",
            "a:rACGT",
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
        let comment = |c: &str| of_comment(c.as_bytes()).map(|u| String::from_utf8(u).unwrap());
        assert_eq!(
            comment("1:N:0:TTAG\tRX:Z:AC-GT\tQX:Z:FF FF").as_deref(),
            Some("AC-GT")
        );
        assert_eq!(comment("1:N:0:1 ACGT").as_deref(), Some("ACGT"));
        assert_eq!(comment("ACGT_TT").as_deref(), Some("ACGT-TT"));
        for bad in ["", "1:N:0:TTAG", "RX:Z:", "RX:Z:1"] {
            assert_eq!(comment(bad), None, "{bad}");
        }
    }
}
