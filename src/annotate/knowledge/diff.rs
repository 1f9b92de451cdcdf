//! Two bases compared, statement by statement and column by column.

use super::base::Base;
use super::statement::COLUMNS;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second has it.
    Added(String),
    /// Only the first has it.
    Removed(String),
    /// Both have it, with another text in a column.
    Changed {
        /// Statement.
        id: String,
        /// Column.
        column: &'static str,
        /// In the first.
        before: String,
        /// In the second.
        after: String,
    },
}

/// All differences: what was removed or changed in the first's order, then what was added.
pub fn diff(a: &Base, b: &Base) -> Vec<Change> {
    let by_id = |base: &Base| -> BTreeMap<String, usize> {
        let rows = base.rows.iter().enumerate();
        rows.map(|(i, r)| (r.id.clone(), i)).collect()
    };
    let (in_a, in_b) = (by_id(a), by_id(b));
    let mut out = Vec::new();
    for row in &a.rows {
        let Some(&other) = in_b.get(&row.id) else {
            out.push(Change::Removed(row.id.clone()));
            continue;
        };
        let pairs = row.fields.iter().zip(&b.rows[other].fields);
        for (column, (before, after)) in COLUMNS.iter().zip(pairs) {
            if before != after {
                out.push(Change::Changed {
                    id: row.id.clone(),
                    column,
                    before: before.clone(),
                    after: after.clone(),
                });
            }
        }
    }
    let added = b.rows.iter().filter(|r| !in_a.contains_key(&r.id));
    out.extend(added.map(|r| Change::Added(r.id.clone())));
    out
}

/// The differences as a table.
pub fn tsv(changes: &[Change]) -> String {
    let mut text = String::from("change\tid\tcolumn\tbefore\tafter\n");
    for c in changes {
        // Writing to a String does not fail.
        let _ = match c {
            Change::Added(id) => writeln!(text, "added\t{id}\t\t\t"),
            Change::Removed(id) => writeln!(text, "removed\t{id}\t\t\t"),
            Change::Changed {
                id,
                column,
                before,
                after,
            } => writeln!(text, "changed\t{id}\t{column}\t{before}\t{after}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_named_once() {
        let base = |rows: &str| {
            let text = format!("id\tsources\texpression\tnote\n{rows}");
            Base::parse("t", &text).unwrap().0
        };
        let a = base("A\tPAPER|1\tKIT D816V\tx\nB\tPAPER|1\tKIT D816V\t\n");
        let b = base("C\tPAPER|1\tKIT D816V\t\nA\tPAPER|1\tKIT D816V\ty\n");
        assert_eq!(diff(&a, &a), []);
        assert_eq!(
            tsv(&diff(&a, &b)),
            "change\tid\tcolumn\tbefore\tafter\nchanged\tA\tnote\tx\ty\nremoved\tB\t\t\t\nadded\tC\t\t\t\n"
        );
    }
}
