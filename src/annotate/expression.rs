//! Molecular profiles: alterations joined by AND, OR and NOT, as CIViC's statements ask for them.
//!
//! `EGFR L858R AND NOT EGFR T790M`. NOT binds closest, then AND, then OR; parentheses group. An
//! alteration is a gene and, behind a blank, one or more rules joined by commas, any of which will do.

use super::alteration::Rule;
use std::fmt;

/// Deeper nesting than any profile has; it keeps malformed ones from exhausting the stack.
const DEEPEST: usize = 50;

/// A gene and what may have happened to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alteration {
    /// HGNC symbol, or the name of a biomarker that is no gene.
    pub gene: String,
    /// Any of these.
    pub rules: Vec<Rule>,
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// The alteration is there.
    Is(Alteration),
    /// It does not hold.
    Not(Box<Expression>),
    /// All hold.
    And(Vec<Expression>),
    /// At least one holds.
    Or(Vec<Expression>),
}

/// Whether a profile holds for a sample; what was not seen is neither true nor false (Kleene's
/// three-valued logic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
    /// It does.
    True,
}

impl Truth {
    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl Expression {
    /// One alteration.
    pub fn of(gene: &str, rules: Vec<Rule>) -> Expression {
        Expression::Is(Alteration {
            gene: gene.into(),
            rules,
        })
    }

    /// Reads a profile in our own words.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Expression, String> {
        read(text, &mut |operand| {
            let (gene, rules) = operand
                .split_once(' ')
                .ok_or_else(|| format!("{operand}: a gene and a change are needed"))?;
            let rules = rules
                .split(',')
                .map(Rule::parse)
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Expression::of(gene, rules))
        })
    }

    /// Does it hold, given what is known of each alteration?
    pub fn evaluate(&self, of: &mut dyn FnMut(&Alteration) -> Truth) -> Truth {
        match self {
            Expression::Is(a) => of(a),
            Expression::Not(e) => e.evaluate(of).not(),
            Expression::And(all) => all
                .iter()
                .map(|e| e.evaluate(of))
                .min()
                .unwrap_or(Truth::True),
            Expression::Or(all) => all
                .iter()
                .map(|e| e.evaluate(of))
                .max()
                .unwrap_or(Truth::False),
        }
    }

    /// Its alterations, each with whether it must be there (`true`) or absent.
    pub fn alterations(&self) -> Vec<(&Alteration, bool)> {
        fn walk<'a>(e: &'a Expression, wanted: bool, out: &mut Vec<(&'a Alteration, bool)>) {
            match e {
                Expression::Is(a) => out.push((a, wanted)),
                Expression::Not(e) => walk(e, !wanted, out),
                Expression::And(all) | Expression::Or(all) => {
                    for e in all {
                        walk(e, wanted, out);
                    }
                }
            }
        }
        let mut out = Vec::new();
        walk(self, true, &mut out);
        out
    }

    /// Puts other rules in the place of those for which there are such.
    pub fn replace(&mut self, other: &mut dyn FnMut(&str, &Rule) -> Option<Rule>) {
        match self {
            Expression::Is(a) => {
                for rule in &mut a.rules {
                    if let Some(new) = other(&a.gene, rule) {
                        *rule = new;
                    }
                }
            }
            Expression::Not(e) => e.replace(other),
            Expression::And(all) | Expression::Or(all) => {
                for e in all {
                    e.replace(other);
                }
            }
        }
    }

    /// Its only alteration, if it is as simple as that.
    pub fn single(&self) -> Option<&Alteration> {
        match self {
            Expression::Is(a) => Some(a),
            _ => None,
        }
    }
}

impl fmt::Display for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.rules.iter().map(Rule::to_string).collect();
        write!(f, "{} {}", self.gene, rules.join(","))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, all: &[Expression], word: &str| {
            for (i, e) in all.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match e {
                    Expression::And(_) | Expression::Or(_) => write!(f, "({e})")?,
                    _ => write!(f, "{e}")?,
                }
            }
            Ok(())
        };
        match self {
            Expression::Is(a) => write!(f, "{a}"),
            Expression::Not(e) => match **e {
                Expression::And(_) | Expression::Or(_) => write!(f, "NOT ({e})"),
                _ => write!(f, "NOT {e}"),
            },
            Expression::And(all) => join(f, all, "AND"),
            Expression::Or(all) => join(f, all, "OR"),
        }
    }
}

/// Reads a profile whose operands `operand` understands. A parenthesis within an operand's name
/// (`VHL R167Q (c.500G>A)`) is part of it; one in front of an operand groups.
///
/// # Errors
/// Those of `operand`, and for words without operands and parentheses that do not match.
pub fn read(
    text: &str,
    operand: &mut dyn FnMut(&str) -> Result<Expression, String>,
) -> Result<Expression, String> {
    let mut reader = Reader {
        rest: text,
        depth: 0,
        operand,
    };
    let e = reader.or()?;
    if reader.rest.trim_start().is_empty() {
        Ok(e)
    } else {
        Err(format!("{text}: \"{}\" is left over", reader.rest.trim()))
    }
}

struct Reader<'a, 'b> {
    rest: &'a str,
    depth: usize,
    operand: &'b mut dyn FnMut(&str) -> Result<Expression, String>,
}

impl Reader<'_, '_> {
    /// Takes a word if it stands next, with a blank, a parenthesis or nothing behind it.
    fn word(&mut self, word: &str) -> bool {
        let after = keyword(self.rest.trim_start(), word);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.and()?];
        while self.word("OR") {
            all.push(self.and()?);
        }
        Ok(one_or(all, Expression::Or))
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.not()?];
        while self.word("AND") {
            all.push(self.not()?);
        }
        Ok(one_or(all, Expression::And))
    }

    fn not(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("nested too deep".into());
        }
        let e = if self.word("NOT") {
            Expression::Not(Box::new(self.not()?))
        } else if let Some(inside) = self.rest.trim_start().strip_prefix('(') {
            self.rest = inside;
            let e = self.or()?;
            self.rest = self
                .rest
                .trim_start()
                .strip_prefix(')')
                .ok_or("a parenthesis is not closed")?;
            e
        } else {
            self.leaf()?
        };
        self.depth -= 1;
        Ok(e)
    }

    fn leaf(&mut self) -> Result<Expression, String> {
        let text = self.rest.trim_start();
        let mut open = 0usize;
        let mut end = text.len();
        for (i, c) in text.char_indices() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => {
                    end = i;
                    break;
                }
                ')' => open -= 1,
                ' ' if open == 0 => {
                    let next = text[i..].trim_start();
                    if ["AND", "OR"].iter().any(|w| keyword(next, w).is_some()) {
                        end = i;
                        break;
                    }
                }
                _ => {}
            }
        }
        self.rest = &text[end..];
        let name = text[..end].trim();
        let word = ["AND", "OR", "NOT"]
            .iter()
            .any(|w| keyword(name, w).is_some());
        if name.is_empty() || word {
            return Err("an alteration is missing".into());
        }
        (self.operand)(name)
    }
}

/// What follows a word, if the text begins with it and it ends there.
fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)
        .filter(|after| after.is_empty() || after.starts_with([' ', '(', ')']))
}

fn one_or(mut all: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if all.len() == 1 {
        all.remove(0)
    } else {
        many(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(text: &str, there: &[&str], unknown: &[&str]) -> Truth {
        let e = Expression::parse(text).unwrap();
        e.evaluate(&mut |a| {
            let name = a.to_string();
            if there.contains(&&*name) {
                Truth::True
            } else if unknown.contains(&&*name) {
                Truth::Unknown
            } else {
                Truth::False
            }
        })
    }

    #[test]
    fn the_first_word_is_no_gene_if_it_is_not() {
        let e = Expression::parse("NOT KIT D816V").unwrap();
        let all = e.alterations();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0.gene.as_str(), all[0].1), ("KIT", false));
        assert_eq!(holds("NOT KIT D816V", &["KIT D816V"], &[]), Truth::False);
        assert_eq!(holds("NOT KIT D816V", &[], &[]), Truth::True);
        assert_eq!(holds("NOT KIT D816V", &[], &["KIT D816V"]), Truth::Unknown);
    }

    #[test]
    fn words_bind_in_their_order() {
        let text = "EGFR L858R OR EGFR T790M AND NOT KRAS G12C";
        assert_eq!(holds(text, &["EGFR L858R", "KRAS G12C"], &[]), Truth::True);
        assert_eq!(holds(text, &["EGFR T790M", "KRAS G12C"], &[]), Truth::False);
        assert_eq!(holds(text, &["EGFR T790M"], &[]), Truth::True);
        let grouped = "(EGFR L858R OR EGFR T790M) AND NOT (KRAS G12C OR KRAS G12D)";
        assert_eq!(holds(grouped, &["EGFR L858R"], &[]), Truth::True);
        assert_eq!(
            holds(grouped, &["EGFR L858R", "KRAS G12D"], &[]),
            Truth::False
        );
        assert_eq!(
            holds(grouped, &["EGFR L858R"], &["KRAS G12D"]),
            Truth::Unknown
        );
        // A false part settles AND, a true one OR, whatever is not known.
        assert_eq!(
            holds("EGFR L858R AND ALK fusion", &[], &["ALK fusion"]),
            Truth::False
        );
        assert_eq!(
            holds("EGFR L858R OR ALK fusion", &["EGFR L858R"], &["ALK fusion"]),
            Truth::True
        );
        for text in [
            text,
            grouped,
            "NOT NOT KIT D816V",
            "NOT (KIT D816V OR KIT fusion)",
        ] {
            let e = Expression::parse(text).unwrap();
            assert_eq!(Expression::parse(&e.to_string()), Ok(e), "{text}");
        }
    }

    #[test]
    fn malformed_profiles_say_why() {
        for (text, part) in [
            ("", "missing"),
            ("NOT", "missing"),
            ("AND", "missing"),
            ("EGFR L858R AND", "missing"),
            ("EGFR L858R OR OR KRAS G12C", "missing"),
            ("(EGFR L858R", "not closed"),
            ("EGFR L858R)", "left over"),
            ("EGFR", "a gene and a change"),
            ("KRAS G12C,", "neither"),
            ("KRAS G12Cx", "neither"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let deep = "(".repeat(5000) + "EGFR L858R" + &")".repeat(5000);
        assert!(Expression::parse(&deep).unwrap_err().contains("deep"));
        let deep = "NOT ".repeat(5000) + "EGFR L858R";
        assert!(Expression::parse(&deep).unwrap_err().contains("deep"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(NOT|AND|OR|KIT|D816V|G12|c\\.3\\+1G>A|p\\.E7del|del:2-9|[ (),]|\\PC){0,20}") {
            if let Ok(e) = Expression::parse(&text) {
                let spelt = e.to_string();
                prop_assert_eq!(Expression::parse(&spelt), Ok(e), "{}", spelt);
            }
        }
    }
}
