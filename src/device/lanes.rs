//! CPU lanes: jobs side by side in plain arrays, in safe loops that the compiler turns into vector
//! instructions. The [`lanes!`](crate::lanes) macro compiles a loop once for each [`Level`] and
//! picks the widest that the machine has; its two calls are the crate's only `unsafe` for speed.

use std::cell::Cell;

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine of this architecture has (SSE2 on x86-64, NEON on aarch64).
    Base,
    /// AVX2 with BMI, POPCNT and LZCNT: 32-byte vectors.
    Avx2,
    /// AVX-512 as of Ice Lake, VPOPCNTDQ included: 64-byte vectors. Earlier ones, which slow the
    /// whole core down for such instructions, count as [`Level::Avx2`].
    Avx512,
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

impl Level {
    /// The widest that this machine has.
    pub fn of_machine() -> Level {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("lzcnt");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vpopcntdq");
            if avx2 && avx512 {
                return Level::Avx512;
            }
            if avx2 {
                return Level::Avx2;
            }
        }
        Level::Base
    }

    /// The level that loops called on this thread run at.
    pub fn current() -> Level {
        FORCED.get().unwrap_or_else(Level::of_machine)
    }

    /// All that this machine has, narrowest first.
    pub fn available() -> impl Iterator<Item = Level> {
        [Level::Base, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|&l| l <= Level::of_machine())
    }

    /// Runs `f` with the loops that it calls on this thread held at this level, or at the machine's
    /// if that is lower: so that tests reach every variant.
    pub fn force<R>(self, f: impl FnOnce() -> R) -> R {
        let before = FORCED.replace(Some(self.min(Level::of_machine())));
        let result = f();
        FORCED.set(before);
        result
    }

    /// `AVX-512`, `AVX2`, or the name of the architecture.
    pub fn name(self) -> &'static str {
        match self {
            Level::Base => std::env::consts::ARCH,
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512",
        }
    }
}

/// Declares a function whose body is compiled for each [`Level`](crate::device::lanes::Level) and
/// dispatched at run time, with a constant that says how many lanes are right for each.
///
/// The body is ordinary safe code. Helpers that it calls in its inner loop must be
/// `#[inline(always)]`: code that is not inlined is not compiled for the wider vectors.
///
/// ```
/// theralign::lanes! {
///     /// Adds pairwise; lengths are equal.
///     fn add<N = [4, 8, 16]>(a: &mut [u32], b: &[u32]) {
///         for (a, b) in a.chunks_mut(N).zip(b.chunks(N)) {
///             a.iter_mut().zip(b).for_each(|(a, b)| *a = a.wrapping_add(*b));
///         }
///     }
/// }
/// let mut a = [1, 2, 3];
/// add(&mut a, &[10, 20, 30]);
/// assert_eq!(a, [11, 22, 33]);
/// ```
///
/// The three numbers are for `Base`, `Avx2` and `Avx512`, in this order.
#[macro_export]
macro_rules! lanes {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$n:ident = [$base:literal, $avx2:literal, $avx512:literal]>(
            $($arg:ident: $type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code)] // the two calls below
        $vis fn $name($($arg: $type),*) $(-> $result)? {
            #[allow(clippy::inline_always)] // else the body keeps the narrow vectors of its own function
            #[inline(always)]
            fn body<const $n: usize>($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
                fn avx2($($arg: $type),*) $(-> $result)? {
                    body::<$avx2>($($arg),*)
                }
                #[target_feature(
                    enable = "avx2,bmi1,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vpopcntdq"
                )]
                fn avx512($($arg: $type),*) $(-> $result)? {
                    body::<$avx512>($($arg),*)
                }
                match $crate::device::lanes::Level::current() {
                    // SAFETY: `Level::current` never exceeds `Level::of_machine`, which has checked
                    // for each of the features named above.
                    $crate::device::lanes::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::device::lanes::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::device::lanes::Level::Base => {}
                }
            }
            body::<$base>($($arg),*)
        }
    };
}

/// Asks for the cache line of `table[index]`, which will be wanted soon. Out of range: does nothing.
#[inline]
#[allow(
    unsafe_code,
    reason = "the instruction takes a pointer; it reads nothing that the program sees"
)]
pub fn prefetch<T>(table: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(wanted) = table.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the pointer is to a live element, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(wanted).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, index);
}

#[cfg(test)]
mod tests {
    use super::*;

    lanes! {
        fn width<N = [1, 2, 3]>() -> usize { N }
    }

    #[test]
    fn each_level_runs_its_own_variant() {
        for level in Level::available() {
            let expected = [1, 2, 3][level as usize];
            assert_eq!(level.force(width), expected, "{level:?}");
        }
        assert_eq!(width(), [1, 2, 3][Level::of_machine() as usize]);
    }

    #[test]
    fn a_level_that_the_machine_lacks_is_lowered() {
        Level::Avx512.force(|| assert!(Level::current() <= Level::of_machine()));
    }
}
