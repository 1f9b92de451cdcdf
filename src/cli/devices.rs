//! `theralign devices`: the adapters of this machine, and which one `--device auto` takes.

use crate::Result;
use crate::device::adapter::{self, Found};
use crate::device::lanes::Level;
use crate::error::thousands;
use crate::kernel::locate::room_for;
use crate::ring::{SLOTS, most_reads};
use std::io::Write;

/// List devices, their limits, and which one --device auto takes
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Storage buffers that the kernels need, tables in one piece.
const FEWEST_BUFFERS: u32 = 10;

/// Prints the list; having no adapter is no error.
pub fn run(_: &Args) -> Result<()> {
    let found = adapter::list();
    let mut text = describe_cpu();
    for f in &found {
        text += &describe(f);
    }
    let taken = match adapter::choose("auto", &found)?.adapters.first() {
        Some(f) => format!("{} with the CPU lanes beside it", f.title()),
        None if found.is_empty() => "the CPU lanes: no adapter answers".into(),
        None => "the CPU lanes: they are faster than a software adapter".into(),
    };
    text += "auto takes ";
    text += &taken;
    text.push('\n');
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(crate::Error::io("standard output"))
}

fn describe_cpu() -> String {
    let levels: Vec<&str> = Level::available().map(Level::name).collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("cpu: {cores} threads, {}\n", levels.join(", "))
}

fn describe(f: &Found) -> String {
    let l = &f.limits;
    let wanted = most_reads(f.is_software());
    let (reads, room) = room_for(wanted, l.max_storage_buffer_binding_size);
    let by_binding = if reads < wanted / 8 * 8 {
        ", as many as its bindings allow"
    } else {
        ""
    };
    let trouble = if l.max_storage_buffers_per_shader_stage < FEWEST_BUFFERS {
        "\n  cannot align: it has too few storage buffers"
    } else {
        ""
    };
    format!(
        "{}: {:?}, {} {}\n  binding {}, buffer {}, {} storage buffers, workgroups of {}, {} a dimension, subgroups of {}\n  \
         {} reads a submission{by_binding}; {SLOTS} submissions at once take {} beside the index{trouble}\n",
        f.title(),
        f.info.backend,
        f.info.driver,
        f.info.driver_info,
        bytes(l.max_storage_buffer_binding_size),
        bytes(l.max_buffer_size),
        l.max_storage_buffers_per_shader_stage,
        thousands(u64::from(l.max_compute_invocations_per_workgroup)),
        thousands(u64::from(l.max_compute_workgroups_per_dimension)),
        f.info.subgroup_max_size,
        thousands(reads as u64),
        bytes(room * SLOTS as u64),
    )
}

/// `128 MiB`, `2.0 GiB`.
fn bytes(n: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    let mib = n as f64 / MIB;
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else if mib < 1024.0 * 1024.0 {
        format!("{:.1} GiB", mib / 1024.0)
    } else {
        "unlimited".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(bytes(1 << 27), "128 MiB");
        assert_eq!(bytes((1 << 31) - 4), "2.0 GiB");
        assert_eq!(bytes(u64::MAX), "unlimited");
    }
}
