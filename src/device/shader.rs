//! The text of a shader: accessors of its tables (generated), `common.wgsl`, and the kernel.

use std::fmt::Write;

/// A kernel in WGSL. Bindings of group 0 are the kernel's arguments in order; group 1 is generated
/// and holds the tables.
#[derive(Debug)]
pub struct Shader {
    /// The entry point, which is also the kernel's name in messages.
    pub name: &'static str,
    /// The kernel's text with `common.wgsl` in front, by `concat!`.
    pub source: &'static str,
    /// Read-only tables, each with the type of its elements: `u32` or `vec4<u32>`. The shader
    /// reads element `i` of table `genome` as `genome(i)`.
    pub tables: &'static [(&'static str, &'static str)],
    /// Numbers that WGSL wants to know early, as lengths of arrays are; all others are `override`s.
    pub lengths: &'static [(&'static str, u32)],
    /// More of the text, where a program writes it better than a person.
    pub generated: fn() -> String,
}

/// For [`Shader::generated`]: nothing.
pub fn nothing() -> String {
    String::new()
}

/// How a table is cut into bindings: pieces of `1 << shift` bytes, the last one shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Bindings.
    pub pieces: u32,
    /// Bytes in a piece, as a power of two.
    pub shift: u32,
}

impl Cut {
    /// Cuts `bytes` into pieces that fit a binding of at most `max_binding` bytes (16 or more).
    pub fn of(bytes: u64, max_binding: u64) -> Cut {
        let shift = max_binding.ilog2();
        Cut {
            pieces: bytes.div_ceil(1 << shift).max(1) as u32,
            // One binding needs no shift, and its shader should not depend on the adapter's limit.
            shift: if bytes <= max_binding { 0 } else { shift },
        }
    }
}

impl Shader {
    /// The whole text, for tables that are cut as given (one [`Cut`] a table).
    pub fn text(&self, cuts: &[Cut]) -> String {
        assert_eq!(self.tables.len(), cuts.len(), "{}: tables", self.name);
        let mut text = String::new();
        for (name, value) in self.lengths {
            let _ = writeln!(text, "const {name} = {value}u;");
        }
        let mut binding = 0;
        for (&(table, element), cut) in self.tables.iter().zip(cuts) {
            for piece in 0..cut.pieces {
                let _ = writeln!(
                    text,
                    "@group(1) @binding({binding}) var<storage, read> {table}_{piece}: array<{element}>;"
                );
                binding += 1;
            }
            let _ = writeln!(text, "fn {table}(i: u32) -> {element} {{");
            let last = cut.pieces - 1;
            // Behind the end there are zeros, on every device and as on the CPU.
            let read = |piece: u32, at: &str| {
                format!(
                    "if {at} >= arrayLength(&{table}_{piece}) {{ return {element}(); }} return {table}_{piece}[{at}];"
                )
            };
            if last == 0 {
                let _ = writeln!(text, "  {}", read(0, "i"));
            } else {
                let shift = cut.shift - if element == "u32" { 2 } else { 4 };
                let within = format!("i & {:#x}u", (1u32 << shift) - 1);
                let _ = writeln!(text, "  switch i >> {shift}u {{");
                for piece in 0..last {
                    let _ = writeln!(
                        text,
                        "    case {piece}u: {{ return {table}_{piece}[{within}]; }}"
                    );
                }
                let _ = writeln!(text, "    default: {{ }}\n  }}");
                let _ = writeln!(
                    text,
                    "  let at = i - ({last}u << {shift}u);\n  {}",
                    read(last, "at")
                );
            }
            text.push_str("}\n");
        }
        text.push_str(self.source);
        text.push_str(&(self.generated)());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cut_into_powers_of_two() {
        let cut = |bytes, max| (Cut::of(bytes, max).pieces, Cut::of(bytes, max).shift);
        assert_eq!(cut(0, 1 << 27), (1, 0));
        assert_eq!(cut(1 << 27, 1 << 27), (1, 0));
        assert_eq!(cut((1 << 27) + 4, 1 << 27), (2, 27));
        // NVIDIA's limit is 2^31 - 4 bytes: pieces of 1 GiB.
        assert_eq!(cut(2_240_000_000, (1 << 31) - 4), (3, 30));
    }
}
