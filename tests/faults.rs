//! Does a GPU that goes wrong, at whatever kernel, change a result? It is made to, and each time the
//! reads must be placed as the CPU lanes place them.

mod common;

use common::twin;
use theralign::align::insert::InsertSize;
use theralign::align::{Aligner, Scratch};
use theralign::backend::Device;
use theralign::batch::ReadBatch;
use theralign::device::gpu::{Fault, Options};
use theralign::genome::Reference;

/// Kernels that one submission launches, and a few of the next.
const LAUNCHES: u32 = 36;
/// Reads in a submission: each batch needs more than one.
const READS: usize = 128;

/// Where the reads of all batches are placed, in words.
fn placed(device: &Device, reference: &Reference, batch: &ReadBatch) -> (String, Scratch) {
    let aligner = Aligner::new(reference, device);
    let insert = InsertSize::given(400.0, 80.0);
    let mut scratch = Scratch::default();
    let placed = [0, 1].map(|_| aligner.place(batch, Some(&insert), &mut scratch).unwrap());
    (format!("{placed:?}"), scratch)
}

fn faulty(fault: Option<Fault>) -> Option<Device> {
    let gpu = common::open(&Options {
        fault,
        reads: Some(READS),
        ..Options::default()
    })?;
    Some(Device::gpu(gpu))
}

/// Goes wrong at each launch in turn. `lost`: has it then gone on with the CPU?
fn at_each_launch(fault: fn(u32) -> Fault, lost: bool) {
    let (reference, batch) = twin::pairs(2);
    let (expected, _) = placed(&Device::cpu(), &reference, &batch);
    for launch in 0..LAUNCHES {
        let Some(device) = faulty(Some(fault(launch))) else {
            return;
        };
        let (found, _) = placed(&device, &reference, &batch);
        assert!(found == expected, "{:?}", fault(launch));
        assert_eq!(device.is_lost(), lost, "{:?}", fault(launch));
        assert_eq!(device.working_gpu().is_none(), lost, "{:?}", fault(launch));
    }
}

#[test]
fn a_lost_device_changes_nothing() {
    at_each_launch(Fault::Lost, true);
}

#[test]
fn a_refused_command_changes_nothing() {
    at_each_launch(Fault::Refused, true);
}

#[test]
fn a_hung_device_changes_nothing() {
    at_each_launch(Fault::Hung, true);
}

#[test]
fn a_lack_of_memory_changes_nothing_and_the_device_goes_on() {
    at_each_launch(Fault::Memory, false);
}

#[test]
fn a_device_that_gives_wrong_results_is_found_out() {
    let (reference, batch) = twin::pairs(2);
    let (expected, _) = placed(&Device::cpu(), &reference, &batch);
    let Some(device) = faulty(Some(Fault::Wrong(0))) else {
        return;
    };
    let (found, _) = placed(&device, &reference, &batch);
    assert!(found == expected);
    assert!(device.is_lost());
    let message = device.gpus()[0].trouble().unwrap().to_string();
    assert!(message.contains("other results"), "{message}");
}

#[test]
fn a_sound_device_launches_as_many_kernels_as_are_tried() {
    let (reference, batch) = twin::pairs(2);
    let Some(device) = faulty(Some(Fault::Lost(3 * LAUNCHES))) else {
        return;
    };
    placed(&device, &reference, &batch);
    assert!(
        device.is_lost(),
        "a batch is several submissions, of some 30 kernels each"
    );
}

#[test]
fn reads_beyond_the_room_are_done_on_the_cpu_and_counted() {
    let (reference, batch) = twin::pairs(2);
    let (expected, on_cpu) = placed(&Device::cpu(), &reference, &batch);
    assert_eq!(on_cpu.timings.paths.left_to_cpu, 0);
    let Some(gpu) = common::gpu_scarce() else {
        return;
    };
    let (found, scratch) = placed(&Device::gpu(gpu.clone()), &reference, &batch);
    assert!(found == expected);
    let left = scratch.timings.paths.left_to_cpu;
    let all = 2 * batch.templates() as u64;
    assert!(left > 0 && left < all, "{left} of {all} templates");
}
