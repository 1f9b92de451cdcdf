//! What was measured, for people: lines as each device is done, a table of all, a bar chart.

use super::Report;
use super::measure::Row;
use crate::error::thousands;
use std::fmt::Write;

fn count(x: f64) -> String {
    thousands(x as u64)
}

/// What one device did besides its rates.
pub fn lines(row: &Row) -> String {
    let mut text = format!("{}\n", row.name);
    let total: f64 = row.kernels.iter().map(|k| k.nanoseconds_per_read).sum();
    for k in &row.kernels {
        let ns = k.nanoseconds_per_read;
        let _ = writeln!(
            text,
            "  {:<20} {ns:>10.1} ns a read {:>5.1} %",
            k.name,
            100.0 * ns / total
        );
    }
    if let (Some(s), Some(reads)) = (&row.shares, row.reads_per_submission) {
        let _ = writeln!(
            text,
            "  {} reads at most in a submission; {:.0} bytes a read to the device, {:.0} back",
            thousands(reads as u64),
            s.up,
            s.down
        );
        let _ = writeln!(
            text,
            "  copies {:.1} GB/s and does {:.1} G operations/s; the kernels use at least {:.1} % and {:.1} % of that",
            s.peak.bytes_per_second / 1e9,
            s.peak.operations_per_second / 1e9,
            100.0 * s.of_bandwidth,
            100.0 * s.of_arithmetic
        );
    }
    let _ = write!(text, "  pairHMM {:.2} G cells/s", row.pairhmm.fixed_point);
    if let (Some(float), Some(differs)) = (row.pairhmm.float, row.pairhmm.float_differs) {
        let _ = write!(
            text,
            " in fixed point, {float:.2} in 32-bit floating point (up to {differs:.4} phred apart)"
        );
    }
    let _ = writeln!(
        text,
        "\n  workers waited for the device {:.1} % of the time to BAM",
        100.0 * row.waiting
    );
    text
}

/// All devices.
pub fn table(report: &Report) -> String {
    let mut text = format!(
        "{:<48} {:>12} {:>12} {:>12}  digest\n",
        "reads a second", "kernels", "to SAM", "to BAM"
    );
    for d in &report.devices {
        let rates = &d.reads_per_second;
        let _ = writeln!(
            text,
            "{:<48} {:>12} {:>12} {:>12}  {}",
            d.name,
            rates.located.map_or_else(|| "-".into(), count),
            count(rates.aligned),
            count(rates.to_bam),
            &d.digests.bam[..12]
        );
    }
    text + if report.equal {
        "all outputs are the same\n"
    } else {
        "THE OUTPUTS DIFFER\n"
    }
}

/// Height of a bar, and of a device's three bars and its name, in pixels.
const BAR: usize = 18;
const DEVICE: usize = 3 * BAR + 40;
/// Width of the longest bar, and of what stands left of it.
const LONGEST: f64 = 520.0;
const LEFT: usize = 110;

/// A bar chart of the rates, for each device. In grey it is as readable.
pub fn svg(report: &Report) -> String {
    let height = 70 + DEVICE * report.devices.len();
    let width = LEFT + LONGEST as usize + 120;
    let of = |d: &Row| {
        let r = &d.reads_per_second;
        [
            ("kernels", r.located, "#1b4965"),
            ("to SAM", Some(r.aligned), "#5fa8d3"),
            ("to BAM", Some(r.to_bam), "#bfd7ea"),
        ]
    };
    let most = report
        .devices
        .iter()
        .flat_map(|d| of(d).map(|b| b.1.unwrap_or(0.0)));
    let most = most.fold(1.0, f64::max);
    let mut text = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img" aria-label="Reads a second by device">
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="16" y="26" font-size="16" font-weight="bold">Reads a second</text>
<text x="16" y="44" fill="#444444">theralign {}, {} reads, {} threads{}</text>
"##,
        report.version,
        thousands(report.reads as u64),
        report.threads,
        if report.equal {
            "; all outputs the same"
        } else {
            "; THE OUTPUTS DIFFER"
        }
    );
    for (i, d) in report.devices.iter().enumerate() {
        let top = 76 + i * DEVICE;
        let _ = writeln!(
            text,
            r#"<text x="16" y="{top}" font-weight="bold">{}</text>"#,
            escaped(&d.name)
        );
        for (k, (what, rate, colour)) in of(d).into_iter().enumerate() {
            let y = top + 8 + k * (BAR + 2);
            let middle = y + BAR - 5;
            let length = rate.unwrap_or(0.0) / most * LONGEST;
            let value = rate.map_or_else(|| "-".to_string(), count);
            let _ = writeln!(
                text,
                r##"<text x="{}" y="{middle}" text-anchor="end">{what}</text><rect x="{LEFT}" y="{y}" width="{length:.1}" height="{BAR}" fill="{colour}" stroke="#1b4965"/><text x="{:.1}" y="{middle}">{value}</text>"##,
                LEFT - 8,
                LEFT as f64 + length + 6.0
            );
        }
    }
    text + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
