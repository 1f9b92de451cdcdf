//! Identifiers of alleles by GA4GH's Variation Representation Specification 2.0: a digest of what the
//! allele is, the same from every program and for every way to write it down.

use super::edit::Edit;
use crate::domain::{ContigId, Span, Variant};
use crate::format::digest::sha512t24u;
use crate::genome::Reference;

/// Bases looked at in one go while an ambiguous place is followed.
const STEP: u32 = 256;

/// `ga4gh:VA.…` of a variant. `None` where the reference does not know the contig's whole sequence (an
/// index of windows), or the variant has a base that is not known.
pub fn allele_id(v: &Variant, reference: &Reference) -> Option<String> {
    let accession = &reference.contig(v.contig).refget;
    let edit = Edit::of(v);
    let replaced = reference.bases(v.contig, Span::new(edit.start, edit.end));
    if accession.is_empty()
        || [&replaced, &edit.alternate]
            .iter()
            .any(|b| b.contains(&b'N'))
    {
        return None;
    }
    let (start, end, state) = justified(&edit, &replaced, v.contig, reference);
    let location = sha512t24u(
        format!(
            "{{\"end\":{end},\"sequenceReference\":{{\"refgetAccession\":\"{accession}\",\
             \"type\":\"SequenceReference\"}},\"start\":{start},\"type\":\"SequenceLocation\"}}"
        )
        .as_bytes(),
    );
    let allele = format!("{{\"location\":\"{location}\",\"state\":{state},\"type\":\"Allele\"}}");
    Some(format!("ga4gh:VA.{}", sha512t24u(allele.as_bytes())))
}

fn literal(sequence: &[u8]) -> String {
    let sequence = String::from_utf8_lossy(sequence);
    format!("{{\"sequence\":\"{sequence}\",\"type\":\"LiteralSequenceExpression\"}}")
}

fn reference_length(length: usize, unit: usize) -> String {
    format!(
        "{{\"length\":{length},\"repeatSubunitLength\":{unit},\
         \"type\":\"ReferenceLengthExpression\"}}"
    )
}

/// Start, end and state of the allele, fully justified (VRS 2.0, "Allele Normalization"): an
/// insertion or deletion covers all places where it could stand as well.
fn justified(
    edit: &Edit,
    replaced: &[u8],
    contig: ContigId,
    reference: &Reference,
) -> (u32, u32, String) {
    let alternate = &edit.alternate[..];
    if !replaced.is_empty() && !alternate.is_empty() {
        return (edit.start, edit.end, literal(alternate));
    }
    let unit = if replaced.is_empty() {
        alternate
    } else {
        replaced
    };
    let (start, end) = ambiguous(edit, unit, contig, reference);
    let left = reference.bases(contig, Span::new(start, edit.start));
    let right = reference.bases(contig, Span::new(edit.end, end));
    let covered = reference.bases(contig, Span::new(start, end));
    let spelled = [&left[..], alternate, &right[..]].concat();
    let state = if covered.is_empty() {
        literal(&spelled)
    } else if spelled.len() < covered.len() {
        reference_length(spelled.len(), unit.len())
    } else {
        // What is inserted may go on with the reference's own repeat: the longest unit that does.
        let goes_on = |&n: &usize| {
            let cycle = covered[covered.len() - n..].iter().cycle();
            unit.len().is_multiple_of(n)
                && spelled[covered.len()..].iter().eq(cycle.take(unit.len()))
        };
        (1..=unit.len().min(covered.len()))
            .rev()
            .find(goes_on)
            .map_or_else(|| literal(&spelled), |n| reference_length(spelled.len(), n))
    };
    (start, end, state)
}

/// How far an insertion or deletion of `unit` can be moved without changing the result.
fn ambiguous(edit: &Edit, unit: &[u8], contig: ContigId, reference: &Reference) -> (u32, u32) {
    let length = reference.contig(contig).length;
    let n = unit.len();
    let (mut start, mut end) = (edit.start, edit.end);
    'left: while start > 0 {
        let from = start.saturating_sub(STEP);
        let bases = reference.bases(contig, Span::new(from, start));
        for &base in bases.iter().rev() {
            // The unit turned by as many bases as it was moved has this one at its end.
            let moved = (edit.start - start) as usize % n;
            if base != unit[n - 1 - moved] {
                break 'left;
            }
            start -= 1;
        }
    }
    'right: while end < length {
        let to = end.saturating_add(STEP).min(length);
        for &base in &reference.bases(contig, Span::new(end, to)) {
            if base != unit[(end - edit.end) as usize % n] {
                break 'right;
            }
            end += 1;
        }
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Pos;
    use crate::genome::{BuildOptions, build};

    const SEQUENCE: &str = "ACGTTTTACGCAGCAGCAGTTGACCAGGATCGNNNNACGATTTTT";

    fn reference(text: &str, windows: bool) -> Reference {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let options = BuildOptions {
            windows,
            ..BuildOptions::default()
        };
        build(file.path(), options).unwrap()
    }

    fn id(r: &Reference, pos: u32, from: &str, to: &str) -> Option<String> {
        let v = Variant {
            contig: ContigId(0),
            pos: Pos(pos),
            reference: from.into(),
            alternate: to.into(),
        };
        allele_id(&v, r)
    }

    #[test]
    fn identifiers_are_those_of_the_reference_implementation() {
        let r = reference(&format!(">t\n{SEQUENCE}\n"), false);
        assert_eq!(r.contigs()[0].refget, "SQ.0tKw4a3ahdX1IKHZxcDRycfhtvSib9cs");
        // By ga4gh.vrs 2.3.3: normalize, then ga4gh_identify.
        for (pos, from, to, digest) in [
            (0, "A", "C", "w2twULO2bUJH-1xHT2vHYEub2BpL6hNK"),
            (2, "GT", "G", "U7LBfMo9Obhd2vE4DkYx03V14hexU2Xg"),
            (2, "G", "GT", "6nOxG-vkipa3Sna0fMpEuEtwhFN3kgkY"),
            (2, "G", "GTT", "K3yTR9zsGBYTK-OATz2aZYlE597m1nuB"),
            (9, "GCAG", "G", "LQ-pFLV5PCxe1bjQ7Aqi2huBHC7c_M3R"),
            (9, "G", "GCAG", "PVPDj-yu2Bb_ofOkqadVlrwXPEscbrXX"),
            (9, "G", "GCAGCAG", "XpgpwJ01a03U8G1trLySbZeJCun4nABt"),
            (20, "TGA", "T", "yu-nvfBNFv2rnabXOGDx78dDsfLbud3i"),
            (20, "T", "TA", "blCohnf43_wFKNuW28B1p91V6kjRagUQ"),
            (20, "TG", "CC", "2-Bn61ofFua5pVAiBf9kQv3FvR86XWju"),
            (11, "AGC", "A", "2FDJm9NPREpEqqCIk9UTcnHKsI6mDUap"),
            (9, "G", "GCAT", "jarVA8NysbQR3__QP846WYsO6F8jhAbK"),
            (22, "ACC", "GTTTA", "AgPnQeJTsvRCeKhNRgky1sCbYHYC0orP"),
            (40, "TT", "T", "ee-UERekK_pBoQd8KW7f93EswiunLkM9"),
            (28, "AT", "ATT", "xLeWJ2ug0dZzSHURjZ7IOR8T69-6lCDA"),
            (0, "ACG", "G", "AsLEUlMVWTGdfmMnF95UksCflG0O_pyd"),
            (36, "A", "AAC", "7ZMwQE3Wk_Gf7fxK_RDXRGwxEA7sL91S"),
        ] {
            let expected = format!("ga4gh:VA.{digest}");
            assert_eq!(id(&r, pos, from, to), Some(expected), "{pos} {from}>{to}");
        }
    }

    #[test]
    fn equal_alleles_have_one_identifier_and_unknown_sequence_has_none() {
        let r = reference(&format!(">t\n{SEQUENCE}\n"), false);
        assert_eq!(id(&r, 2, "GT", "G"), id(&r, 5, "TT", "T"));
        assert_eq!(id(&r, 31, "GN", "G"), None);
        let windows = reference(">t:1-20 LN:45\nACGTTTTACGCAGCAGCAGT\n", true);
        assert_eq!(id(&windows, 0, "A", "C"), None);
    }
}
