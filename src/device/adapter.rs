//! The adapters of this machine, and which one `--device` means.

use crate::{Error, Result};
use wgpu::DeviceType;

/// An adapter that answers.
#[derive(Clone, Debug)]
pub struct Found {
    pub(super) adapter: wgpu::Adapter,
    /// Name, type, driver, PCI id.
    pub info: wgpu::AdapterInfo,
    /// What it can do; all of it is asked for when it is opened.
    pub limits: wgpu::Limits,
}

impl Found {
    /// True for a driver that computes on the CPU (llvmpipe, `SwiftShader`, WARP): its kernels give
    /// the same bytes, but the CPU lanes are faster.
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// `NVIDIA H200 (discrete, 0000:41:00.0)`.
    pub fn title(&self) -> String {
        let kind = match self.info.device_type {
            DeviceType::DiscreteGpu => "discrete",
            DeviceType::IntegratedGpu => "integrated",
            DeviceType::VirtualGpu => "virtual",
            DeviceType::Cpu => "software",
            DeviceType::Other => "other",
        };
        let pci = &self.info.device_pci_bus_id;
        let comma = if pci.is_empty() { "" } else { ", " };
        format!("{} ({kind}{comma}{pci})", self.info.name)
    }

    fn rank(&self) -> u32 {
        match self.info.device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::VirtualGpu => 1,
            DeviceType::IntegratedGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        }
    }
}

/// All adapters, best first: by type, then PCI id, then name, so that the order does not depend on
/// the driver's. Empty where there is no driver.
pub fn list() -> Vec<Found> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Our own kernels say how many workgroups there are to be, within the adapter's limits.
    descriptor
        .flags
        .remove(wgpu::InstanceFlags::VALIDATION_INDIRECT_CALL);
    let instance = wgpu::Instance::new(descriptor);
    let mut found: Vec<Found> =
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
            .into_iter()
            .map(|adapter| Found {
                info: adapter.get_info(),
                limits: adapter.limits(),
                adapter,
            })
            .filter(|f| f.limits.max_compute_invocations_per_workgroup > 0)
            .collect();
    found.sort_by_key(|f| {
        (
            f.rank(),
            f.info.device_pci_bus_id.clone(),
            f.info.name.clone(),
        )
    });
    found
}

/// What a word of `--device` means.
#[derive(Debug)]
pub struct Chosen<'a> {
    /// The GPUs; none stands for the CPU lanes alone.
    pub adapters: Vec<&'a Found>,
    /// Do the CPU lanes take batches beside them?
    pub cpu: bool,
}

/// Chooses by the word of `--device`: `auto` (the best real GPU and the CPU lanes beside it, or else the
/// CPU lanes alone), `cpu`, or several of these joined by `+`: `cpu`, `gpu` (the best adapter, software
/// too), `gpus` (all real ones), a PCI id, part of a name in any case.
///
/// # Errors
/// When no adapter answers to the word; the message lists those that there are.
pub fn choose<'a>(word: &str, found: &'a [Found]) -> Result<Chosen<'a>> {
    if word == "auto" {
        return Ok(Chosen {
            adapters: found.iter().filter(|f| !f.is_software()).take(1).collect(),
            cpu: true,
        });
    }
    let mut chosen = Chosen {
        adapters: Vec::new(),
        cpu: false,
    };
    for part in word.split('+') {
        let named: Vec<&Found> = match part {
            "cpu" => {
                chosen.cpu = true;
                continue;
            }
            "gpu" => found.first().into_iter().collect(),
            "gpus" => found.iter().filter(|f| !f.is_software()).collect(),
            _ => by_name(part, found).into_iter().collect(),
        };
        if named.is_empty() {
            return Err(nobody(part, found));
        }
        chosen.adapters.extend(named);
    }
    Ok(chosen)
}

fn by_name<'a>(name: &str, found: &'a [Found]) -> Option<&'a Found> {
    let has_id = |f: &&Found| f.info.device_pci_bus_id.eq_ignore_ascii_case(name);
    let lower = name.to_lowercase();
    let has_name = |f: &&Found| f.info.name.to_lowercase().contains(&lower);
    let name_is_given = !name.is_empty();
    let named = || found.iter().find(has_name);
    found
        .iter()
        .find(has_id)
        .or_else(named)
        .filter(|_| name_is_given)
}

fn nobody(word: &str, found: &[Found]) -> Error {
    let titles: Vec<String> = found.iter().map(Found::title).collect();
    Error::usage(
        format!("--device {word}: no adapter answers to that"),
        if titles.is_empty() {
            "There is no GPU driver here; use --device cpu, which gives the same bytes.".to_string()
        } else {
            format!("There are: cpu, {}.", titles.join(", "))
        },
    )
}
