//! Does the plumbing carry words to a GPU and back unchanged, within whatever limits, and does it
//! say so when it cannot?

mod common;

use common::Random;
use theralign::backend::{Backend, Cpu, Device, Gpu};
use theralign::device::gpu::{Arg, Fault, Options, POISON};
use theralign::device::shader::Shader;
use theralign::device::shader::nothing;
use theralign::{Error, device::adapter};

/// `out[job] = table[which[job]] + ADD`, and every job adds 1 to `sum`. A job of 0xffffffff does nothing.
static GATHER: Shader = Shader {
    name: "gather",
    source: concat!(
        include_str!("../shaders/common.wgsl"),
        "
override ADD: u32;
@group(0) @binding(0) var<storage, read> which: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> sum: atomic<u32>;
@group(0) @binding(3) var<storage, read_write> scratch: array<u32>;
@compute @workgroup_size(LANES)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&which) { return; }
  atomicAdd(&sum, 1u);
  if which[i] == 0xffffffffu { return; }
  scratch[i * 4u + 3u] = words(which[i]);
  out[i] = vec2(scratch[i * 4u + 3u] + ADD, quads(which[i] >> 2u)[which[i] & 3u]);
}"
    ),
    tables: &[("words", "u32"), ("quads", "vec4<u32>")],
    lengths: &[],
    generated: nothing,
};

fn gather(gpu: &Gpu, table: &[u32], which: &[u32]) -> theralign::Result<(Vec<[u32; 2]>, u32)> {
    let table = gpu.table(table);
    let which = gpu.upload(which);
    let out = gpu.room::<[u32; 2]>(which.len());
    let sum = gpu.zeros::<u32>(1);
    let args = [which.each(), out.out(), sum.kept(), Arg::Scratch(16)];
    gpu.run(
        &GATHER,
        &[("ADD", 7)],
        &[&table, &table],
        &args,
        which.len(),
    );
    Ok((gpu.download(&out)?, gpu.download(&sum)?[0]))
}

fn gathers_what_was_uploaded(gpu: &Gpu) {
    let mut random = Random(5);
    let table: Vec<u32> = (0..20_003).map(|_| random.word()).collect();
    for jobs in [1, 63, 64, 65, 1000, 30_001] {
        let which: Vec<u32> = (0..jobs)
            .map(|i| {
                if i == 17 {
                    u32::MAX
                } else {
                    random.below(20_003)
                }
            })
            .collect();
        let (out, sum) = gather(gpu, &table, &which).unwrap();
        assert_eq!(sum, jobs);
        for (i, (&w, &got)) in which.iter().zip(&out).enumerate() {
            let expected = table
                .get(w as usize)
                .map_or([POISON; 2], |&t| [t.wrapping_add(7), t]);
            assert_eq!(got, expected, "{jobs} jobs, job {i}");
        }
    }
}

#[test]
fn a_kernel_reads_its_tables_and_leaves_poison_where_it_writes_nothing() {
    if let Some(gpu) = common::gpu() {
        gathers_what_was_uploaded(gpu);
    }
}

#[test]
fn tables_and_batches_beyond_the_limits_are_cut() {
    if let Some(gpu) = common::gpu_cut() {
        gathers_what_was_uploaded(gpu);
    }
}

#[test]
fn nothing_in_gives_nothing_out() {
    if let Some(gpu) = common::gpu() {
        assert_eq!(gather(gpu, &[], &[]).unwrap(), (vec![], 0));
        assert!(gpu.download(&gpu.upload::<u32>(&[])).unwrap().is_empty());
    }
}

#[test]
fn buffers_of_earlier_batches_leave_nothing_behind() {
    let Some(gpu) = common::gpu() else { return };
    for n in [1000u32, 900, 1000] {
        let (out, _) = gather(gpu, &[1, 2, 3, 4], &vec![u32::MAX; n as usize]).unwrap();
        assert!(out.iter().all(|o| *o == [POISON; 2]));
        let (out, _) = gather(gpu, &[1, 2, 3, 4], &vec![2; n as usize]).unwrap();
        assert!(out.iter().all(|o| *o == [10, 3]));
    }
}

fn trouble(options: &Options) -> Option<Error> {
    let gpu = common::open(options)?;
    assert!(gather(&gpu, &[5; 64], &[3; 100]).is_ok());
    let e = gather(&gpu, &[5; 64], &[3; 100]).expect_err("the second launch goes wrong");
    assert!(
        gather(&gpu, &[5; 64], &[3; 100]).is_err(),
        "and it stays so"
    );
    Some(e)
}

#[test]
fn every_fault_comes_to_light_in_the_download() {
    for (fault, says) in [
        (Fault::Lost(1), "lost"),
        (Fault::Refused(1), "validation"),
        (Fault::Hung(1), "finished"),
        (Fault::Memory(1), "memory"),
    ] {
        let options = Options {
            fault: Some(fault),
            ..Options::default()
        };
        let Some(e) = trouble(&options) else { return };
        let message = e.to_string();
        assert!(
            matches!(e, Error::Device { .. }) && message.to_lowercase().contains(says),
            "{fault:?}: {message}"
        );
    }
}

#[test]
fn a_forgotten_constant_is_trouble_by_name() {
    let Some(gpu) = common::open(&Options::default()) else {
        return;
    };
    let (which, out, sum) = (
        gpu.upload(&[0u32]),
        gpu.room::<[u32; 2]>(1),
        gpu.zeros::<u32>(1),
    );
    let table = gpu.table(&[1, 2, 3, 4]);
    let args = [which.each(), out.out(), sum.kept(), Arg::Scratch(16)];
    gpu.run(&GATHER, &[], &[&table, &table], &args, 1);
    let e = gpu.download(&out).unwrap_err().to_string();
    assert!(e.contains("ADD"), "{e}");
}

#[test]
fn what_no_cutting_makes_fit_is_trouble() {
    let options = Options {
        max_piece: Some(4096),
        ..Options::default()
    };
    let Some(gpu) = common::open(&options) else {
        return;
    };
    let e = gather(&gpu, &vec![5; 1 << 20], &[3])
        .unwrap_err()
        .to_string();
    assert!(e.contains("storage buffers"), "{e}");
}

#[test]
fn a_device_that_fails_hands_over_to_the_cpu_lanes() {
    let options = Options {
        fault: Some(Fault::Lost(1)),
        ..Options::default()
    };
    let Some(gpu) = common::open(&options) else {
        return;
    };
    let device = Device::gpu(gpu);
    let on = |device: &Device| {
        device
            .run(
                |gpu| gather(gpu, &[5; 64], &[3; 10]).map(|_| "gpu"),
                |_| Ok("cpu"),
            )
            .unwrap()
    };
    assert_eq!(
        [on(&device), on(&device), on(&device)],
        ["gpu", "cpu", "cpu"]
    );
    assert!(device.working_gpu().is_none());
}

#[test]
fn auto_never_takes_a_software_adapter_and_an_absent_one_is_an_error() {
    let found = adapter::list();
    let auto = adapter::choose("auto", &found).unwrap();
    assert!(auto.adapters.iter().all(|f| !f.is_software()) && auto.cpu);
    let cpu = adapter::choose("cpu", &found).unwrap();
    assert!(cpu.adapters.is_empty() && cpu.cpu);
    for word in ["no such adapter", "cpu+no such adapter", ""] {
        let message = adapter::choose(word, &found).unwrap_err().to_string();
        assert!(message.contains("no adapter answers"), "{message}");
        for f in &found {
            assert!(message.contains(&f.info.name), "{message}");
        }
    }
    for f in &found {
        let name = f.info.name.to_uppercase();
        let by_name = adapter::choose(&name, &found).unwrap();
        assert_eq!(by_name.adapters[0].info.name, f.info.name);
        assert!(!by_name.cpu);
        let both = adapter::choose(&format!("{name}+cpu+{name}"), &found).unwrap();
        assert!(both.adapters.len() == 2 && both.cpu, "twice is allowed");
    }
    assert_eq!(
        adapter::choose("gpu", &found).is_err(),
        found.is_empty(),
        "`gpu` takes software too"
    );
    assert!(Backend::name(&Cpu).starts_with("CPU lanes"));
}

/// Counts to a number that every job names.
static COUNT: Shader = Shader {
    name: "count",
    source: concat!(
        include_str!("../shaders/common.wgsl"),
        "
@group(0) @binding(0) var<storage, read> wanted: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@compute @workgroup_size(LANES)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
  let i = job_index(group, groups, lane);
  if i >= arrayLength(&wanted) { return; }
  var n = 0u;
  for (var k = 0u; k < wanted[i]; k += 1u) { n += (k ^ wanted[i]) & 1u; }
  counts[i] = n;
  if loops_were_cut(1u + min(arrayLength(&wanted), 1u)) { counts[i] = CUT; }
}"
    ),
    tables: &[],
    lengths: &[],
    generated: nothing,
};

#[test]
fn a_driver_that_cuts_loops_short_is_found_out() {
    for turns in [1000, 60_000, 70_000, 200_000] {
        let Some(gpu) = common::open(&Options::default()) else {
            return;
        };
        let wanted = gpu.upload(&[turns; 100]);
        let counts = gpu.room::<u32>(100);
        let args = [wanted.each(), counts.out()];
        gpu.run(&COUNT, &[], &[], &args, 100);
        let counts = gpu.download(&counts).unwrap();
        if counts.contains(&u32::MAX) {
            assert!(turns > 65_535, "{turns} turns");
        } else {
            assert_eq!(counts, vec![turns / 2; 100]);
        }
    }
}
