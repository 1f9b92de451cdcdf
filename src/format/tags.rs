//! Optional fields of records (SAM 1.6 §1.5, §4.2.4) that are carried from the input: kept as BAM has
//! them, so that their types survive.

use super::sam::{Tag, TagValue};
use std::io::Write;

/// Bytes of a value of one of BAM's fixed-size types; `None` for other letters.
fn size_of(kind: u8) -> Option<usize> {
    match kind {
        b'A' | b'c' | b'C' => Some(1),
        b's' | b'S' => Some(2),
        b'i' | b'I' | b'f' => Some(4),
        _ => None,
    }
}

/// The first field of `fields`, and what is behind it; `None` if the bytes are no field.
pub fn first(fields: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (&[a, b, kind], rest) = fields.split_first_chunk::<3>()?;
    let length = match kind {
        b'Z' | b'H' => memchr::memchr(0, rest)? + 1,
        b'B' => {
            let (&[of, counted @ ..], _) = rest.split_first_chunk::<5>()?;
            let count = u32::from_le_bytes(counted) as usize;
            5 + size_of(of).filter(|_| of != b'A')?.checked_mul(count)?
        }
        kind => size_of(kind)?,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    let value = TagValue::Bam(kind, value);
    Some((
        Tag {
            name: [a, b],
            value,
        },
        rest,
    ))
}

/// The fields in `fields`, up to what is no field.
pub fn split(mut fields: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    std::iter::from_fn(move || {
        let (tag, rest) = first(fields)?;
        fields = rest;
        Some(tag)
    })
}

/// The text of a field, if there is one of this name.
pub fn text_of(fields: &[u8], name: [u8; 2]) -> Option<&[u8]> {
    let tag = split(fields).find(|t| t.name == name)?;
    match tag.value {
        TagValue::Bam(b'Z', text) => text.strip_suffix(b"\0"),
        _ => None,
    }
}

/// Is this a field that an aligner says anew, so that the input's is forgotten?
pub fn is_ours(name: [u8; 2]) -> bool {
    let ours = [
        b"NM", b"MD", b"AS", b"XS", b"MC", b"MQ", b"SA", b"XA", b"PG",
    ];
    ours.contains(&&name)
}

/// Appends a field of text.
pub fn push_text(name: [u8; 2], text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&name);
    out.push(b'Z');
    out.extend_from_slice(text);
    out.push(0);
}

/// Appends a field as BAM has it.
pub fn push(tag: &Tag, out: &mut Vec<u8>) {
    if let TagValue::Bam(kind, bytes) = tag.value {
        out.extend_from_slice(&tag.name);
        out.push(kind);
        out.extend_from_slice(bytes);
    }
}

/// Appends the field that a text like `RX:Z:ACGT` says; `None` if it says none.
pub fn parse(field: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (&[a, b, b':', kind, b':'], value) = field.split_first_chunk::<5>()? else {
        return None;
    };
    if !a.is_ascii_alphabetic() || !b.is_ascii_alphanumeric() {
        return None;
    }
    let text = str::from_utf8(value).ok()?;
    let printing = value.iter().all(|c| (b' '..=b'~').contains(c));
    match kind {
        b'Z' | b'H' if printing => {
            push_text([a, b], value, out);
            let at = out.len() - value.len() - 2;
            out[at] = kind;
        }
        b'A' if value.len() == 1 && printing => out.extend_from_slice(&[a, b, b'A', value[0]]),
        b'i' => {
            let n: i64 = text.parse().ok()?;
            let (kind, bytes) = match i32::try_from(n) {
                Ok(n) => (b'i', n.to_le_bytes()),
                Err(_) => (b'I', u32::try_from(n).ok()?.to_le_bytes()),
            };
            out.extend_from_slice(&[a, b, kind]);
            out.extend(bytes);
        }
        b'f' => {
            out.extend_from_slice(&[a, b, b'f']);
            out.extend(text.parse::<f32>().ok()?.to_le_bytes());
        }
        b'B' => {
            let mut elements = text.split(',');
            let of = match elements.next()?.as_bytes() {
                [of] => *of,
                _ => return None,
            };
            let mut bytes = Vec::new();
            let mut count = 0u32;
            for element in elements {
                match of {
                    b'f' => bytes.extend(element.parse::<f32>().ok()?.to_le_bytes()),
                    b'c' => bytes.extend(element.parse::<i8>().ok()?.to_le_bytes()),
                    b'C' => bytes.extend(element.parse::<u8>().ok()?.to_le_bytes()),
                    b's' => bytes.extend(element.parse::<i16>().ok()?.to_le_bytes()),
                    b'S' => bytes.extend(element.parse::<u16>().ok()?.to_le_bytes()),
                    b'i' => bytes.extend(element.parse::<i32>().ok()?.to_le_bytes()),
                    b'I' => bytes.extend(element.parse::<u32>().ok()?.to_le_bytes()),
                    _ => return None,
                }
                count += 1;
            }
            size_of(of).filter(|_| of != b'A')?;
            out.extend_from_slice(&[a, b, b'B', of]);
            out.extend(count.to_le_bytes());
            out.extend(bytes);
        }
        _ => return None,
    }
    Some(())
}

/// Appends the type and value of a field as SAM writes them, from what BAM has.
pub fn write_sam(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(match kind {
        b'c' | b'C' | b's' | b'S' | b'I' => b'i',
        kind => kind,
    });
    out.push(b':');
    match kind {
        b'A' => out.push(bytes[0]),
        b'Z' | b'H' => out.extend_from_slice(&bytes[..bytes.len() - 1]),
        b'B' => {
            let (of, elements) = (bytes[0], &bytes[5..]);
            out.push(of);
            for element in elements.chunks_exact(size_of(of).expect("checked when it was read")) {
                out.push(b',');
                write_number(of, element, out);
            }
        }
        kind => write_number(kind, bytes, out),
    }
}

fn write_number(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    let n = u32::from_le_bytes(word);
    let n = match kind {
        b'c' => i64::from(n as i8),
        b's' => i64::from(n as i16),
        b'i' => i64::from(n as i32),
        b'f' => {
            let _ = write!(out, "{}", f32::from_bits(n)); // a vector takes everything
            return;
        }
        _ => i64::from(n),
    };
    super::sam::number(out, n);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(field: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        parse(field.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn fields_survive_the_way_to_bam_and_back() {
        for field in [
            "RX:Z:ACGT-TTTT",
            "QX:Z:",
            "XA:A:x",
            "NH:i:-7",
            "NH:i:4000000000",
            "ZF:f:1.5",
            "XH:H:1AE3",
            "cd:B:s,-1,0,300",
            "ce:B:C,0,255",
            "cf:B:f,0.25,-3",
            "cg:B:I,4000000000",
        ] {
            let bam = [read(field).unwrap(), read("RG:Z:a").unwrap()].concat();
            let (tag, rest) = first(&bam).unwrap();
            assert_eq!(text_of(rest, *b"RG"), Some(&b"a"[..]));
            let TagValue::Bam(kind, bytes) = tag.value else {
                panic!("{field}");
            };
            let mut text = [&tag.name[..], b":"].concat();
            write_sam(kind, bytes, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), field);
            assert_eq!(split(&bam).count(), 2);
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for field in [
            "",
            "RX",
            "RX:Z",
            "1X:Z:a",
            "RX:Q:a",
            "RX:i:a",
            "RX:i:9999999999",
            "RX:A:ab",
            "RX:B:",
            "RX:B:Z,1",
            "RX:B:C,256",
            "RX:Z:a\tb",
            "1:N:0:ACGT",
            "RX:f:x",
        ] {
            assert_eq!(read(field), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end(bytes in proptest::collection::vec(0u8..=255, 0..60), kind in 0usize..12) {
            let mut fields = vec![b'X', b'Y', b"AcCsSiIfZHBq"[kind]];
            fields.extend(bytes);
            for tag in split(&fields) {
                if let TagValue::Bam(kind, bytes) = tag.value {
                    write_sam(kind, bytes, &mut Vec::new());
                }
            }
        }
    }
}
