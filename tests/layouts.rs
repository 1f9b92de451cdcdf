//! Do Rust and WGSL mean the same bytes? Every shader, in every cut of its tables, is parsed and
//! validated here without any GPU, and its structs are compared with their Rust twins.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};
use theralign::batch::ReadSpan;
use theralign::device::peak;
use theralign::device::shader::{Cut, Shader};
use theralign::kernel::candidate::Candidate;
use theralign::kernel::extend::Extension;
use theralign::kernel::locate::{self, Batch, Look};
use theralign::kernel::pairhmm::Job;
use theralign::kernel::pileup::Segment;
use theralign::kernel::seed::Seed;
use theralign::kernel::{candidate, extend, pairhmm, pileup, seed};
use wgpu::naga;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

/// Storage buffers that the least of the adapters we know of allows (`SwiftShader`).
const FEWEST_BINDINGS: usize = 10;

fn shaders() -> Vec<&'static Shader> {
    let all = [
        std::slice::from_ref(&seed::SHADER),
        &locate::SCAN[..],
        &candidate::SHADERS[..],
        &extend::SHADERS[..],
        std::slice::from_ref(&peak::SHADER),
        std::slice::from_ref(&pileup::SHADER),
        std::slice::from_ref(&pairhmm::SHADER),
    ];
    all.into_iter().flatten().collect()
}

fn module(shader: &Shader, pieces: u32) -> naga::Module {
    let cut = Cut {
        pieces,
        shift: if pieces == 1 { 0 } else { 14 },
    };
    let text = shader.text(&vec![cut; shader.tables.len()]);
    let module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(&text)));
    // The least capabilities: what every WebGPU device has.
    Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string(&text)));
    module
}

#[test]
fn every_shader_is_valid_however_its_tables_are_cut() {
    for shader in shaders() {
        for pieces in [1, 2, 4] {
            let module = module(shader, pieces);
            let entries = module.entry_points.iter();
            assert!(
                entries.clone().any(|e| e.name == shader.name),
                "{}: its entry point has its name",
                shader.name
            );
        }
    }
}

#[test]
fn every_override_is_without_a_default() {
    for shader in shaders() {
        for (_, o) in module(shader, 1).overrides.iter() {
            assert!(o.init.is_none(), "{}: {:?}", shader.name, o.name);
        }
    }
}

#[test]
fn every_kernel_fits_the_least_adapter() {
    for shader in shaders() {
        let module = module(shader, 1);
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap();
        let entry = module
            .entry_points
            .iter()
            .position(|e| e.name == shader.name)
            .unwrap();
        let used = module
            .global_variables
            .iter()
            .filter(|(handle, variable)| {
                matches!(variable.space, naga::AddressSpace::Storage { .. })
                    && !info.get_entry_point(entry)[*handle].is_empty()
            })
            .count();
        assert!(used <= FEWEST_BINDINGS, "{}: {used} bindings", shader.name);
    }
}

/// Members with their offsets, and the size.
type Layout = (Vec<(&'static str, usize)>, usize);

/// Name, offset of each member, and size of a Rust struct.
macro_rules! layout {
    ($type:ty { $($member:ident),* }) => {
        (
            stringify!($type),
            (vec![$((stringify!($member), offset_of!($type, $member))),*], size_of::<$type>()),
        )
    };
}

#[test]
fn structs_have_the_same_layout_in_both_languages() {
    let rust: BTreeMap<&str, Layout> = BTreeMap::from([
        layout!(ReadSpan { word, len }),
        layout!(Seed {
            place,
            start,
            count
        }),
        layout!(Candidate {
            read,
            diagonal,
            votes,
            seeded,
            spread
        }),
        layout!(Look { lists, limits }),
        layout!(Batch {
            reads,
            mates,
            longest,
            hits,
            candidates,
            gapped,
            rows,
            stretch
        }),
        layout!(Extension {
            score,
            start,
            span,
            runs,
            slot
        }),
        layout!(Segment {
            start,
            bases,
            cigar,
            cigar_len,
            flags
        }),
        layout!(Job {
            read,
            read_len,
            haplotype,
            haplotype_len
        }),
    ]);
    let mut seen = BTreeMap::new();
    for shader in shaders() {
        for (_, ty) in module(shader, 1).types.iter() {
            let (Some(name), naga::TypeInner::Struct { members, span }) = (&ty.name, &ty.inner)
            else {
                continue;
            };
            let Some((expected, size)) = rust.get(name.as_str()) else {
                continue; // lives within the shader
            };
            let members: Vec<(&str, usize)> = members
                .iter()
                .map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize))
                .collect();
            assert_eq!(&members, expected, "{name} in {}", shader.name);
            assert_eq!(*span as usize, *size, "{name} in {}", shader.name);
            *seen.entry(name.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), rust.len(), "each is in a shader: {seen:?}");
}
