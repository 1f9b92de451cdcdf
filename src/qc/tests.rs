use super::*;
use crate::genome::BuildOptions;

/// A reference of these contigs.
pub fn reference(folder: &Path, contigs: &[(&str, &str)]) -> Reference {
    let fasta = folder.join("r.fa");
    let record = |(name, bases): &(&str, &str)| format!(">{name}\n{bases}\n");
    std::fs::write(&fasta, contigs.iter().map(record).collect::<String>()).unwrap();
    Reference::build_file(&fasta, &folder.join("r.tidx"), BuildOptions::default()).unwrap()
}

/// A reference of which so many bases are known, all A, at each place: contig, its length, start.
pub fn reference_of_windows(folder: &Path, places: &[(&str, u32, u32)], known: usize) -> Reference {
    let fasta = folder.join("w.fa");
    let record = |(name, length, start): &(&str, u32, u32)| {
        let end = *start as usize + known;
        format!(
            ">{name}:{}-{end} LN:{length}\n{}\n",
            start + 1,
            "A".repeat(known)
        )
    };
    std::fs::write(&fasta, places.iter().map(record).collect::<String>()).unwrap();
    let options = BuildOptions {
        windows: true,
        ..BuildOptions::default()
    };
    Reference::build_file(&fasta, &folder.join("w.tidx"), options).unwrap()
}

#[test]
fn insert_sizes_leave_the_far_ones_out_of_the_mean() {
    let mut counts = vec![0; pass::LONGEST_INSERT + 1];
    counts[200] = 3;
    counts[300] = 1;
    counts[pass::LONGEST_INSERT] = 1;
    let size = *insert_size(&counts).given().unwrap();
    assert_eq!((size.median, size.mean, size.sd), (200, 225.0, 43.30));
    let none = insert_size(&vec![0; pass::LONGEST_INSERT + 1]);
    assert!(matches!(none, Figure::NotAssessed { .. }));
}
