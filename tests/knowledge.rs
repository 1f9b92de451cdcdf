//! `theralign knowledge`: what is known, whether it fits a reference, what others know, and what changed.

mod program;

use program::{Folder, command, demo, index, theralign};

const CIVIC: &str = "gene\tvariant\tdisease\tdoid\tdrugs\tevidence_type\tevidence_direction\tevidence_level\tclinical_significance\tevidence_statement\tcitation_id\tsource_type\trating\tevidence_status\tevidence_id\tlast_review_date\n\
    EGFR\tT790M\tLung Non-small Cell Carcinoma\t3908\tOsimertinib\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t28075267\tPubMed\t5\taccepted\t1\t2020-11-20 16:18:21 UTC\n\
    EGFR\tA858R\tLung Non-small Cell Carcinoma\t3908\tGefitinib\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t1\tPubMed\t5\taccepted\t2\t2019-11-20 16:18:21 UTC\n\
    CD274\tEXPRESSION\tRare Thing\t\tX\tPredictive\tSupports\tB\tSensitivity/Response\tIn words.\t1\tPubMed\t\taccepted\t3\t\n\
    KRAS\tWILDTYPE\tColorectal Cancer\t9256\tCetuximab\tPredictive\tSupports\tA\tSensitivity/Response\tIn words.\t\tPubMed\t\taccepted\t4\t\n";

fn stdout(args: &[&str], code: i32) -> String {
    let done = command(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(code), "{stderr}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_shipped_tables_say_what_they_are_and_fit_the_demo() {
    let info = stdout(&["knowledge", "info"], 0);
    for part in [
        "oncology\t171\t",
        "CC BY 4.0",
        "locus verified on a reference",
    ] {
        assert!(info.contains(part), "no {part} in:\n{info}");
    }
    let genes = demo("genes.gff3.gz");
    let ground = ["-x", index(), "--genes", &genes];
    let checked = stdout(&[&["knowledge", "check"][..], &ground].concat(), 0);
    let status = |id: &str| {
        let line = checked.lines().find(|l| l.split('\t').nth(1) == Some(id));
        line.unwrap().split('\t').nth(4).unwrap()
    };
    assert_eq!(status("ONC001"), "verified"); // EGFR L858R
    assert_eq!(status("ONC045"), "no locus"); // ALK fusion
    assert!(!checked.contains("\trejected\t"), "{checked}");
    // Without a reference: what the tables say of themselves.
    let alone = stdout(&["knowledge", "check"], 0);
    assert!(alone.contains("\tverified\tGRCh37 "), "{alone}");
}

#[test]
fn imported_checked_compared() {
    let folder = Folder::new();
    let civic = folder.file("nightly.tsv", CIVIC);
    let base = folder.path("civic.tsv.gz");
    let told = theralign(&["knowledge", "import", &civic, "-o", &base])
        .fine()
        .stderr;
    assert!(
        told.contains("4 evidence items, 3 taken, 1 reported"),
        "{told}"
    );
    let rejects = std::fs::read_to_string(folder.path("civic.rejects.tsv")).unwrap();
    assert!(
        rejects.contains("\t5\tCIVIC:EID4\tit has no citation\n"),
        "{rejects}"
    );
    let again = folder.path("again.tsv.gz");
    theralign(&["knowledge", "import", &base, "-o", &again]).fine();
    assert_eq!(
        std::fs::read(&base).unwrap(),
        std::fs::read(&again).unwrap()
    );
    assert_eq!(
        stdout(&["knowledge", "diff", &civic, &again], 0)
            .lines()
            .count(),
        1
    );

    let genes = demo("genes.gff3.gz");
    let sound = folder.path("sound.tsv");
    let args = [
        "knowledge",
        "check",
        "-x",
        index(),
        "--genes",
        &genes,
        &base,
        "-o",
        &sound,
    ];
    let checked = stdout(&args, 1);
    assert!(
        checked.contains("CIVIC:EID1\tEGFR\tEGFR T790M\tverified\tGRCh37 "),
        "{checked}"
    );
    assert!(
        checked.contains("CIVIC:EID2\tEGFR\tEGFR A858R\trejected\t"),
        "{checked}"
    );
    assert!(
        checked.contains("CIVIC:EID3\tCD274\tCD274 abundance\tno locus\t"),
        "{checked}"
    );
    let changes = stdout(&["knowledge", "diff", &base, &sound], 1);
    assert!(changes.contains("removed\tCIVIC:EID2\t"), "{changes}");
    assert!(
        changes.contains("changed\tCIVIC:EID1\tverified\t\tGRCh37 "),
        "{changes}"
    );
    let info = stdout(&["knowledge", "info", &sound], 0);
    assert!(info.contains("newest day\t2020-11-20"), "{info}");
}

#[test]
fn what_cannot_be_read_is_refused_and_leaves_nothing() {
    let folder = Folder::new();
    let bad = folder.file("bad.tsv", "gene\tdrug\nEGFR\tX\n");
    let out = folder.path("out.tsv");
    theralign(&["knowledge", "import", &bad, "-o", &out]).complains(&["bad.tsv", "neither"]);
    theralign(&["knowledge", "info", &bad]).complains(&["bad.tsv, line 1", "no column id"]);
    theralign(&["knowledge", "check", &bad]).complains(&["bad.tsv, line 1", "no column id"]);
    let vcf = folder.file("c.vcf", "##fileformat=VCFv4.1\n##source=ClinVar\n");
    theralign(&["knowledge", "import", &vcf, "-o", &out]).complains(&["-x INDEX --genes GENES"]);
    let twice = "id\texpression\tsources\nA\tKIT D816V\tPAPER|1\nA\tKIT D816V\tPAPER|1\n";
    let twice = folder.file("twice.tsv", twice);
    theralign(&["knowledge", "info", &twice]).complains(&["line 3: A: line 2 has the same id"]);
    assert_eq!(folder.names(), ["bad.tsv", "c.vcf", "twice.tsv"]);
}
