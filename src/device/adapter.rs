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
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
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

/// Chooses by the word of `--device`: `auto` (a real GPU, or else `None` for the CPU lanes), `cpu`,
/// `gpu` (the best adapter, software too), a PCI id, or part of a name in any case.
///
/// # Errors
/// When no adapter answers to the word; the message lists those that there are.
pub fn choose<'a>(word: &str, found: &'a [Found]) -> Result<Option<&'a Found>> {
    let named = match word {
        "cpu" => return Ok(None),
        "auto" => return Ok(found.iter().find(|f| !f.is_software())),
        "gpu" => found.first(),
        _ => found
            .iter()
            .find(|f| f.info.device_pci_bus_id.eq_ignore_ascii_case(word))
            .or_else(|| {
                let word = word.to_lowercase();
                found
                    .iter()
                    .find(|f| !word.is_empty() && f.info.name.to_lowercase().contains(&word))
            }),
    };
    named.map(Some).ok_or_else(|| {
        let titles: Vec<String> = found.iter().map(Found::title).collect();
        Error::usage(
            format!("--device {word}: no adapter answers to that"),
            if titles.is_empty() {
                "There is no GPU driver here; use --device cpu, which gives the same bytes."
                    .to_string()
            } else {
                format!("There are: cpu, {}.", titles.join(", "))
            },
        )
    })
}
