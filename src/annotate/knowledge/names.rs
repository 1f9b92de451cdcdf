//! What CIViC calls a variant of a gene, read as rules. Names are written by curators, in many
//! styles; what is no single change of sequence becomes a rule that says why it is not assessed.

use crate::annotate::alteration::{Rule, Unassessable};
use crate::annotate::expression::{self, Expression};
use crate::annotate::named::MOST_CODONS;

/// What else is known of a name.
pub struct Context<'a> {
    /// The rules of alterations that the shipped table names, such as `EXON 19 DELETION`.
    pub shipped: &'a dyn Fn(&str, &str) -> Option<Vec<Rule>>,
    /// The codons of the stretch that the source gives for it, if they could be told.
    pub codons: Option<(u32, u32)>,
}

/// A molecular profile of CIViC: `EGFR L858R AND NOT EGFR T790M`.
///
/// # Errors
/// When it is no expression.
pub fn profile(text: &str, context: &Context) -> Result<Expression, String> {
    expression::read(text, &mut |operand| {
        let (gene, name) = operand
            .split_once(' ')
            .ok_or_else(|| format!("{operand:?} names no gene and variant"))?;
        // `EML4::ALK Fusion`, `v::ALK Fusion`: filed under the partner in which therapy is interested.
        let gene = gene.rsplit("::").find(|g| *g != "v").unwrap_or(gene);
        Ok(variant(gene, name, context))
    })
}

/// A variant of a gene.
pub fn variant(gene: &str, name: &str, context: &Context) -> Expression {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let upper = name.to_ascii_uppercase();
    let of = |rules| Expression::of(gene, rules);
    let unassessable = |u| of(vec![Rule::NotAssessable(u)]);
    if let Some(rules) = (context.shipped)(gene, upper.trim_end_matches(" MUTATION"))
        .or_else(|| (context.shipped)(gene, &upper))
    {
        return of(rules);
    }
    if let Some(rules) = change(&name) {
        return of(rules);
    }
    if matches!(&*upper, "WILD TYPE" | "WILDTYPE" | "WILD-TYPE") {
        return Expression::Not(Box::new(of(vec![Rule::Mutation])));
    }
    if let Some(codon) = upper.strip_prefix("NON-").and_then(change) {
        let other = Expression::Not(Box::new(of(codon)));
        return Expression::And(vec![of(vec![Rule::Mutation]), other]);
    }
    if upper.contains(" AND ") {
        // The place is of them together.
        let part = Context {
            codons: None,
            ..*context
        };
        let parts: Vec<Expression> = upper
            .split(" AND ")
            .map(|name| variant(gene, name, &part))
            .collect();
        return Expression::And(parts);
    }
    if let Some(parts) = joined(gene, &upper) {
        return parts;
    }
    if let Some(rules) = exon(&upper, context) {
        return of(rules);
    }
    let gene_mutation = [format!("{gene} MUTATION"), format!("{gene} MUTATIONS")];
    if matches!(&*upper, "MUTATION" | "MUTATIONS" | "ALTERATION") || gene_mutation.contains(&upper)
    {
        return of(vec![Rule::Mutation]);
    }
    if LOSS_OF_FUNCTION.contains(&&*upper) {
        return of(vec![Rule::LossOfFunction(None)]);
    }
    unassessable(kind_of(&upper))
}

const LOSS_OF_FUNCTION: [&str; 5] = [
    "LOSS-OF-FUNCTION",
    "TRUNCATING MUTATION",
    "DELETERIOUS MUTATION",
    "INACTIVATING MUTATION",
    "TRUNCATION",
];

/// Words by which a name says what kind of alteration it is; the first that it has decides.
const WORDS: [(Unassessable, &[&str]); 6] = [
    (Unassessable::Methylation, &["METHYLATION"]),
    (
        Unassessable::Abundance,
        &[
            "EXPRESSION",
            "PHOSPHORYLATION",
            "SERUM LEVEL",
            "TRANSLOCATION TO",
            "NUCLEAR TRANSLOCATION",
            "MISLOCALIZATION",
            "ALTERNATIVE TRANSCRIPT",
            "ISOFORM",
        ],
    ),
    (
        Unassessable::Amplification,
        &["AMPLIFICATION", "COPY NUMBER", "COPY GAIN"],
    ),
    (
        Unassessable::Fusion,
        &["FUSION", "REARRANGEMENT", "TRANSLOCATION", "::"],
    ),
    (
        Unassessable::Noncoding,
        &[
            "POLYMORPHISM",
            "PROMOTER",
            "UTR",
            "INTRON",
            "HOMOZYGOSITY",
            "SNP",
            "TANDEM REPEAT",
        ],
    ),
    (
        Unassessable::Deletion,
        &["DELETION", "LOSS", "LOH", "HETEROZYGOSITY", "NULL", " DEL"],
    ),
];

fn kind_of(upper: &str) -> Unassessable {
    if let Some((kind, _)) = WORDS
        .iter()
        .find(|(_, words)| words.iter().any(|w| upper.contains(w)))
    {
        return *kind;
    }
    let rs = upper
        .strip_prefix("RS")
        .is_some_and(|d| d.starts_with(|c: char| c.is_ascii_digit()));
    if rs
        || upper.contains('*')
            && upper
                .split('*')
                .nth(1)
                .is_some_and(|d| d.parse::<u32>().is_ok())
    {
        return Unassessable::Noncoding;
    }
    if upper.split(' ').next().is_some_and(is_fusion) {
        return Unassessable::Fusion;
    }
    Unassessable::Other
}

/// `EML4-ALK`, `BCR-ABL`: two gene-like words.
fn is_fusion(word: &str) -> bool {
    let gene_like = |g: &str| {
        g.len() >= 2
            && g.starts_with(|c: char| c.is_ascii_uppercase())
            && g.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && change(g).is_none()
    };
    let parts: Vec<&str> = word.split('-').collect();
    let number = |p: &str| p.parse::<u32>().is_ok();
    match parts[..] {
        [a, b] => gene_like(a) && gene_like(b) && !matches!(a, "NON" | "GAIN" | "LOSS" | "COPY"),
        // Symbols such as NKX2-1 have a hyphen of their own.
        [a, n, b] => gene_like(a) && number(n) && gene_like(b),
        _ => false,
    }
}

/// A fusion with changes in it (`EML4-ALK L1196M`, `ALK FUSION G1202R`), or several changes at once
/// (`C1156Y-L1198F`): all must be there.
fn joined(gene: &str, upper: &str) -> Option<Expression> {
    let of = |rules| Expression::of(gene, rules);
    let mut words: Vec<&str> = upper.split(' ').collect();
    let mut all = Vec::new();
    if is_fusion(words[0]) {
        words.remove(0);
        all.push(of(vec![Rule::NotAssessable(Unassessable::Fusion)]));
    } else if words.len() > 1 && words[0] == gene {
        words.remove(0);
        if matches!(words[0], "FUSION" | "FUSIONS") {
            words.remove(0);
            all.push(of(vec![Rule::NotAssessable(Unassessable::Fusion)]));
        }
    }
    // `e6-e20`: the exons that a fusion joins, not residues.
    let exon = |w: &&str| w.strip_prefix('E').is_some_and(|n| n.parse::<u8>().is_ok());
    if let ([fusion], [word]) = (&all[..], &words[..])
        && word.contains('-')
        && word.split('-').all(|w| exon(&w))
    {
        return Some(fusion.clone());
    }
    let hyphened: Vec<&str> = words.iter().flat_map(|w| w.split('-')).collect();
    let changes: Option<Vec<_>> = hyphened.iter().map(|w| change(w)).collect();
    all.extend(changes.filter(|c| !c.is_empty())?.into_iter().map(of));
    Some(if all.len() == 1 {
        all.remove(0)
    } else {
        Expression::And(all)
    })
}

/// `EXON 12 MUTATION`, `KINASE DOMAIN MUTATION`: where the source's coordinates tell the codons.
fn exon(upper: &str, context: &Context) -> Option<Vec<Rule>> {
    let (a, b) = context
        .codons
        .filter(|(a, b)| a <= b && *b <= MOST_CODONS)?;
    let one_exon = upper
        .strip_prefix("EXON ")
        .and_then(|r| r.split_once(' '))
        .filter(|(n, _)| n.parse::<u32>().is_ok())
        .map(|(_, what)| what);
    match one_exon {
        Some("MUTATION") => Some(vec![Rule::Altering(a, b), Rule::Frameshift(a, b)]),
        Some("FRAMESHIFT") => Some(vec![Rule::Frameshift(a, b)]),
        Some("INSERTION") => Some(vec![Rule::Insertion(a, b)]),
        None if upper.ends_with("DOMAIN MUTATION") => Some(vec![Rule::Altering(a, b)]),
        _ => None,
    }
}

/// `L858R`, `G12/G13`, `V600E/K`, `E746_A750DEL`, `P968FS`, `R167Q (c.500G>A)`, `c.790+1G>A`, and how
/// else curators write them.
fn change(name: &str) -> Option<Vec<Rule>> {
    let name = name.trim();
    if let Some((before, inside)) = name.split_once('(') {
        let coding = inside.strip_suffix(')')?.trim();
        let before = before.trim();
        return match change(before) {
            // A named protein change speaks of every change of bases that makes it.
            Some(rules) if coding.starts_with("c.") => Some(rules),
            _ => coding_rule(coding).map(|r| vec![r]),
        };
    }
    if name.starts_with("c.") {
        return coding_rule(name).map(|r| vec![r]);
    }
    if let Some((first, coding)) = name.split_once(' ') {
        return change(first).filter(|_| coding.starts_with("c."));
    }
    let mut parts = name.split('/');
    let first = protein(parts.next()?)?;
    let mut rules = vec![first];
    for part in parts {
        let rule = protein(part).or_else(|| match (&rules[0], part.as_bytes()) {
            (
                Rule::Exact {
                    position,
                    reference,
                    ..
                },
                [_],
            ) => protein(&format!("{}{position}{part}", *reference as char)),
            _ => None,
        })?;
        rules.push(rule);
    }
    Some(rules)
}

fn coding_rule(text: &str) -> Option<Rule> {
    Rule::parse(text).ok()
}

/// One change of a protein in any case and with the bases or residues that a strict name leaves out.
fn protein(text: &str) -> Option<Rule> {
    if !text.is_ascii() {
        return None;
    }
    let upper = text.to_ascii_uppercase();
    let upper = upper.strip_prefix("P.").unwrap_or(&upper);
    // The words in it; letters between them are residues.
    let spelt = if let Some((range, s)) = upper.split_once("DELINS").or(upper.split_once('>')) {
        format!("p.{range}delins{s}")
    } else if let Some((range, lost)) = upper.split_once("DEL") {
        if !lost.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        format!("p.{range}del")
    } else if let Some((range, doubled)) = upper.split_once("DUP") {
        if !doubled.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        format!("p.{range}dup")
    } else if let Some((range, s)) = upper.split_once("INS") {
        format!("p.{range}ins{s}")
    } else if let Some((residue, _)) = upper.split_once("FS") {
        // The residue that stands there afterwards, and where the frame ends, are left out.
        let digits = residue.trim_end_matches(|c: char| c.is_ascii_uppercase());
        format!("p.{digits}fs")
    } else {
        match upper.strip_suffix('X') {
            Some(residue) => format!("{residue}*"),
            None => upper.to_string(),
        }
    };
    match Rule::parse(&spelt) {
        Ok(rule @ (Rule::Exact { .. } | Rule::Codon { .. } | Rule::Named(_))) => Some(rule),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context() -> Context<'static> {
        Context {
            shipped: &|gene, name| {
                let known = (gene, name) == ("EGFR", "EXON 19 DELETION");
                known.then(|| vec![Rule::Deletion(729, 761)])
            },
            codons: None,
        }
    }

    #[test]
    fn curators_names_become_rules() {
        for (gene, name, expression) in [
            ("EGFR", "L858R", "EGFR L858R"),
            ("EGFR", "EXON 19 DELETION", "EGFR del:729-761"),
            ("EGFR", "E746_A750del", "EGFR p.E746_A750del"),
            ("EGFR", "E746_T751>I", "EGFR p.E746_T751delinsI"),
            ("EGFR", "A767_V769dupASV", "EGFR p.A767_V769dup"),
            ("KIT", "W557_K558DELWK", "KIT p.W557_K558del"),
            ("KIT", "A502_Y503insAY", "KIT p.A502_Y503insAY"),
            ("BRCA1", "P968FS", "BRCA1 p.P968fs"),
            ("RUNX1", "R135FSX177", "RUNX1 p.R135fs"),
            ("VHL", "V66Gfs*89 (c.197_209del)", "VHL p.V66fs"),
            ("VHL", "R167Q (c.500G>A)", "VHL R167Q"),
            ("VHL", "Q195* (c.583C>T)", "VHL Q195*"),
            ("VHL", "L198Q  (c.593T>A)", "VHL L198Q"),
            ("VHL", "P154= (c.462A>C)", "VHL c.462A>C"),
            ("VHL", "Splicing alteration (c.340+1G>A)", "VHL c.340+1G>A"),
            ("ATM", "c.902-1G>T", "ATM c.902-1G>T"),
            ("CHEK2", "R474C c.1420C>T", "CHEK2 R474C"),
            ("KRAS", "G12/G13", "KRAS G12,G13"),
            ("U2AF1", "Q157P/R", "U2AF1 Q157P,Q157R"),
            ("KRAS", "Mutation", "KRAS mutation"),
            ("NT5C2", "NT5C2 MUTATION", "NT5C2 mutation"),
            ("TP53", "WILD TYPE", "NOT TP53 mutation"),
            ("BRAF", "Non-V600", "BRAF mutation AND NOT BRAF V600"),
            (
                "BRAF",
                "V600E and AMPLIFICATION",
                "BRAF V600E AND BRAF amplification",
            ),
            ("MTOR", "E2014K and E2419K", "MTOR E2014K AND MTOR E2419K"),
            ("ALK", "EML4-ALK L1196M", "ALK fusion AND ALK L1196M"),
            ("ALK", "ALK FUSION G1202R", "ALK fusion AND ALK G1202R"),
            (
                "ALK",
                "EML4-ALK C1156Y-L1198F",
                "ALK fusion AND ALK C1156Y AND ALK L1198F",
            ),
            (
                "ABL1",
                "BCR-ABL E255K V299L",
                "ABL1 fusion AND ABL1 E255K AND ABL1 V299L",
            ),
            ("JAK2", "JAK2 F694L", "JAK2 F694L"),
            ("ALK", "EML4-ALK e6-e20", "ALK fusion"),
            ("ALK", "ALK FUSIONS", "ALK fusion"),
            ("TP53", "TRUNCATING MUTATION", "TP53 lof"),
            ("PTEN", "LOSS", "PTEN deletion"),
            ("VHL", "EXON 3 DELETION", "VHL deletion"),
            ("CD274", "EXPRESSION", "CD274 abundance"),
            ("MGMT", "PROMOTER METHYLATION", "MGMT methylation"),
            ("TERT", "PROMOTER MUTATION", "TERT noncoding"),
            ("DPYD", "DPYD*2A HOMOZYGOSITY", "DPYD noncoding"),
            ("UGT1A1", "UGT1A1*28", "UGT1A1 noncoding"),
            ("EGFR", "VIII", "EGFR other"),
            ("NPM1", "EXON 12 MUTATION", "NPM1 other"),
            ("ALK", "EML4-ALK T1151INST", "ALK fusion"),
        ] {
            let e = variant(gene, name, &context());
            assert_eq!(e.to_string(), expression, "{gene} {name}");
        }
        let known = Context {
            codons: Some((283, 295)),
            ..context()
        };
        let e = variant("NPM1", "EXON 12 MUTATION", &known);
        assert_eq!(e.to_string(), "NPM1 any:283-295,fs:283-295");
    }

    #[test]
    fn profiles_are_trees() {
        for (text, expression) in [
            ("NOT KIT D816V", "NOT KIT D816V"),
            ("EGFR L858R AND EGFR T790M", "EGFR L858R AND EGFR T790M"),
            (
                "EML4::ALK Fusion AND (ALK L1196M OR ALK G1202R)",
                "ALK fusion AND (ALK L1196M OR ALK G1202R)",
            ),
            (
                "VHL R167Q (c.500G>A) AND NOT VHL Q195* (c.583C>T)",
                "VHL R167Q AND NOT VHL Q195*",
            ),
            (
                "NOT ( BRAF V600E OR BRAF V600K )",
                "NOT (BRAF V600E OR BRAF V600K)",
            ),
        ] {
            let e = profile(text, &context()).unwrap();
            assert_eq!(e.to_string(), expression);
        }
        assert!(profile("NOT", &context()).is_err());
        assert!(profile("KIT", &context()).is_err());
    }

    proptest! {
        #[test]
        fn any_name_becomes_an_expression_that_can_be_written(name in "([A-Z]?[0-9]{1,4}[A-Z*_]?|del|INS|fs|/|-|>| and |[A-Z]{2,5}|c\\.[0-9+>_-]{1,6}|[()]|\\PC){0,8}") {
            let e = variant("KIT", &name, &context());
            let spelt = e.to_string();
            prop_assert!(Expression::parse(&spelt).is_ok(), "{}", spelt);
            let _ = profile(&name, &context());
        }
    }
}
