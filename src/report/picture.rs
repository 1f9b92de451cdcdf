//! Drawings of a report, as SVG that stands in the page: nothing is told by colour alone.

use super::pileup::{Line, Pileup};
use crate::error::thousands;
use serde_json::Value;
use std::fmt::Write;

/// Width of a column and height of a line, in user units.
const CELL: (usize, usize) = (9, 14);
/// Room for the lines' labels, on the left.
const LEFT: usize = 12;

/// The reads around a variant. `name` is what it is called.
pub fn picture(p: &Pileup, name: &str) -> String {
    let columns = p.reference.chars().count();
    let (w, h) = CELL;
    let (with, without): (Vec<&Line>, Vec<&Line>) = p.reads.iter().partition(|r| r.carrier);
    let width = LEFT + columns * w + 14;
    let height = h * (p.reads.len() + 4) + 12;
    let label = |shown: usize, all: usize, what: &str| {
        let all = thousands(all as u64);
        if all == shown.to_string() {
            format!("{all} {} {what}", if shown == 1 { "read" } else { "reads" })
        } else {
            format!("{shown} of {all} reads {what}")
        }
    };
    let (with_label, without_label) = (
        label(with.len(), p.carriers, "with the variant"),
        label(without.len(), p.others, "without it"),
    );
    let mut out = format!(
        "<svg class=\"pile\" viewBox=\"0 0 {width} {height}\" style=\"min-width:{}px;max-width:{width}px\" role=\"img\" aria-label=\"Reads around {}: {with_label}, {without_label}\">",
        width * 3 / 4,
        escaped(name)
    );
    // The variant's columns, down through all reads; an insertion's lie between two bases of the reference.
    let (from, to) = p.variant;
    let _ = write!(
        out,
        "<rect class=\"at\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
        LEFT + from * w,
        h,
        (to - from).max(1) * w,
        height - h
    );
    let _ = write!(
        out,
        "<text class=\"l\" x=\"{LEFT}\" y=\"{}\">{}</text>",
        h - 3,
        thousands(p.start)
    );
    letters(&mut out, "r", 2 * h - 3, p.reference.chars().enumerate());
    let mut y = 2 * h;
    for (label, reads) in [(with_label, with), (without_label, without)] {
        if reads.is_empty() {
            continue;
        }
        y += h + 2;
        let _ = write!(
            out,
            "<text class=\"l\" x=\"{LEFT}\" y=\"{}\">{label}</text>",
            y - 3
        );
        for read in reads {
            line(&mut out, read, y);
            y += h;
        }
    }
    out.push_str("</svg>");
    out
}

/// Letters at their columns.
fn letters(out: &mut String, class: &str, y: usize, all: impl Iterator<Item = (usize, char)>) {
    let (mut places, mut text) = (Vec::new(), String::new());
    for (column, letter) in all {
        places.push((LEFT + column * CELL.0 + 1).to_string());
        text.push(letter);
    }
    if !text.is_empty() {
        let _ = write!(
            out,
            "<text class=\"{class}\" y=\"{y}\" x=\"{}\">{text}</text>",
            places.join(" ")
        );
    }
}

/// A read: a bar with an arrow at its end, what differs on it in letters, gaps as a line.
fn line(out: &mut String, read: &Line, top: usize) {
    let (w, h) = CELL;
    let cells: Vec<char> = read.bases.chars().collect();
    let reaches = |c: &char| *c != ' ';
    let (Some(first), Some(last)) = (
        cells.iter().position(reaches),
        cells.iter().rposition(reaches),
    ) else {
        return;
    };
    let (x, end, y) = (LEFT + first * w, LEFT + (last + 1) * w, top + 2);
    let (low, mid) = (top + h - 1, top + h.div_ceil(2));
    let shape = if read.reverse {
        format!(
            "M{end} {y}H{x}L{} {mid}L{x} {low}H{end}z",
            x.saturating_sub(5)
        )
    } else {
        format!("M{x} {y}H{end}L{} {mid}L{end} {low}H{x}z", end + 5)
    };
    let _ = write!(out, "<path class=\"b\" d=\"{shape}\"/>");
    let mut at = first;
    while at <= last {
        let gap = cells[at..=last].iter().take_while(|c| **c == '-').count();
        if gap > 0 {
            let _ = write!(
                out,
                "<path class=\"d\" d=\"M{} {mid}h{}\"/>",
                LEFT + at * w,
                gap * w
            );
        }
        at += gap.max(1);
    }
    let differs = cells.iter().copied().enumerate();
    letters(
        out,
        "v",
        top + h - 3,
        differs.filter(|(_, c)| c.is_alphabetic()),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Plots of quality figures, where they were given: share of the panel by depth, errors by cycle.
pub fn plots(qc: &Value) -> Vec<String> {
    depth(qc).into_iter().chain(errors(qc)).collect()
}

/// The frame of a plot: title, and room of 300 by 100 for what is in it.
fn plot(title: &str, what: &str, inside: &str) -> String {
    format!(
        "<figure><figcaption>{title}</figcaption><svg class=\"plot\" viewBox=\"0 0 350 132\" role=\"img\" aria-label=\"{}\">{inside}</svg></figure>",
        escaped(what)
    )
}

fn depth(qc: &Value) -> Option<String> {
    let shares = qc["depth"]["share_at_least"].as_object()?;
    let mut inside = String::new();
    let mut told = Vec::new();
    for (i, (at, share)) in shares.iter().enumerate() {
        let share = share.as_f64()?;
        let y = 4 + i * 15;
        let percent = format!("{:.1} %", share * 100.0);
        let _ = write!(
            inside,
            "<text class=\"l\" x=\"42\" y=\"{0}\" text-anchor=\"end\">{at}</text><rect class=\"t\" x=\"48\" y=\"{y}\" width=\"240\" height=\"11\"/><rect class=\"b\" x=\"48\" y=\"{y}\" width=\"{1:.1}\" height=\"11\"/><text class=\"l\" x=\"293\" y=\"{0}\">{percent}</text>",
            y + 9,
            share * 240.0
        );
        told.push(format!("{percent} at {at}"));
    }
    let what = format!("Bases of the panel by depth: {}", told.join(", "));
    Some(plot(
        "Bases of the panel at this depth or more",
        &what,
        &inside,
    ))
}

fn errors(qc: &Value) -> Option<String> {
    let cycles = qc["errors"]["by_cycle"].as_array()?;
    let reads: Vec<Vec<f64>> = cycles
        .iter()
        .map(|r| {
            r.as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect()
        })
        .filter(|r: &Vec<f64>| r.len() > 1)
        .collect();
    let longest = reads.iter().map(Vec::len).max()?;
    let most = reads.iter().flatten().copied().fold(1e-6, f64::max);
    let mut inside = format!(
        "<path class=\"axis\" d=\"M48 4V104H340\"/><text class=\"l\" x=\"44\" y=\"12\" text-anchor=\"end\">{:.2} %</text><text class=\"l\" x=\"44\" y=\"104\" text-anchor=\"end\">0</text><text class=\"l\" x=\"48\" y=\"117\">cycle 1</text><text class=\"l\" x=\"340\" y=\"117\" text-anchor=\"end\">{longest}</text>",
        most * 100.0
    );
    for (i, read) in reads.iter().enumerate() {
        let points: Vec<String> = read
            .iter()
            .enumerate()
            .map(|(c, e)| {
                let x = 48.0 + 290.0 * c as f64 / (longest - 1) as f64;
                format!("{x:.1} {:.1}", 104.0 - 98.0 * e / most)
            })
            .collect();
        let _ = write!(
            inside,
            "<path class=\"c{}\" d=\"M{}\"/>",
            i + 1,
            points.join("L")
        );
    }
    let lines = if reads.len() > 1 {
        "first reads solid, second ones dashed"
    } else {
        "by cycle"
    };
    let _ = write!(
        inside,
        "<text class=\"l\" x=\"194\" y=\"117\" text-anchor=\"middle\">{lines}</text>"
    );
    let rate = qc["errors"]["rate"].as_f64().unwrap_or_default();
    let what = format!(
        "Wrong base calls by cycle of sequencing, at most {:.3} %, {:.3} % over all",
        most * 100.0,
        rate * 100.0
    );
    Some(plot("Wrong base calls, by cycle", &what, &inside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_picture_has_the_letters_that_differ() {
        let line = |bases: &str, carrier: bool| Line {
            bases: bases.into(),
            reverse: !carrier,
            carrier,
        };
        let p = Pileup {
            start: 1001,
            reference: "AC*GT".into(),
            variant: (2, 3),
            reads: vec![line("..T..", true), line(" .*-.", false)],
            carriers: 1,
            others: 1200,
        };
        let svg = picture(&p, "X \"<\"");
        assert!(
            svg.contains("1 read with the variant") && svg.contains("1 of 1,200 reads without it")
        );
        assert!(svg.contains(&format!("x=\"{}\">T</text>", LEFT + 2 * CELL.0 + 1)));
        assert_eq!(svg.matches("class=\"d\"").count(), 1);
        assert!(svg.contains("X &quot;&lt;&quot;"));
    }

    #[test]
    fn plots_are_of_what_was_given() {
        assert!(plots(&json!({})).is_empty());
        let qc = json!({
            "depth": {"share_at_least": {"1x": 1.0, "100x": 0.5}},
            "errors": {"rate": 0.001, "by_cycle": [[0.001, 0.002], [0.001, 0.004]]},
        });
        let all = plots(&qc);
        assert!(all[0].contains("50.0 %") && all[0].contains("width=\"120.0\""));
        assert!(all[1].contains("0.40 %") && all[1].matches("<path class=\"c").count() == 2);
    }
}
